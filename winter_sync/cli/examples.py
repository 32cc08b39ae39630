"""Examples of each command, for its `--help`; a test holds them against the program's options."""

from __future__ import annotations

EXAMPLES = {
    "init": (
        "winter-sync init",
        "winter-sync init --from-winterapi --root /data/winter --type stack,diff --yes",
    ),
    "run": (
        "winter-sync run",
        "winter-sync run --config /etc/winter-sync/winter-sync.toml --log-format human",
    ),
    "sync": (
        "winter-sync sync",
        "winter-sync sync --config ~/winter.toml --log-level debug",
    ),
    "backfill": (
        "winter-sync backfill 20240211",
        "winter-sync backfill --from 20240101 --to 20240131 --target SN2024wex --dry-run",
    ),
    "verify": (
        "winter-sync verify --quick",
        "winter-sync verify --night 20240211 --repair",
    ),
    "adopt": (
        "winter-sync adopt ~/winter_images --dry-run",
        "winter-sync adopt ~/winter_images --move",
    ),
    "status": (
        "winter-sync status",
        "winter-sync status --program 2024A000 --type stack,diff --night 20240211",
    ),
    "history": (
        "winter-sync history WINTERcamera_20240212-053112-123_mef_4_0_0_stack.fits",
        "winter-sync history winter/20240211/final/NAME_stack.fits --json",
    ),
    "restore": (
        "winter-sync restore winter/20240211/final/NAME_stack.fits --revision 1",
        "winter-sync restore NAME_stack.fits --revision 1 --output before.fits",
    ),
    "list": (
        "winter-sync list --night yesterday --type stack --paths",
        'winter-sync list --cone "10h03m50s +17d49m,10m" --filter J --output images.ecsv',
    ),
    "covers": (
        "winter-sync covers 150.96 17.82",
        "winter-sync covers SN2024wex --type stack,diff --deeper-than 19",
    ),
    "cutout": (
        "winter-sync cutout SN2024wex",
        "winter-sync cutout 150.9 -4.2 --size 2m --type diff --png strip.png",
    ),
    "alerts": (
        "winter-sync alerts --since -1d --min-rb 0.7",
        "winter-sync alerts --object WNTR24aaaab --output curve.vot",
    ),
    "export": (
        "winter-sync export --night 20240211 --type stack > night.csv",
        "winter-sync export --as-of 2024-03-01 --output paper.ecsv",
    ),
    "nightlog": (
        "winter-sync nightlog 20240211",
        "winter-sync nightlog 20240211 --output night.csv",
    ),
    "events": (
        "winter-sync events --follow",
        "winter-sync events --since 1200 --json",
    ),
    "show": (
        "winter-sync show --samp --type stack --night yesterday",
        "winter-sync show --samp --client ds9 images.fits",
    ),
    "web": (
        "winter-sync web",
        "winter-sync web --root /data/winter --listen 127.0.0.1:9000",
    ),
    "check": (
        "winter-sync check",
        "winter-sync check --config ~/winter.toml",
    ),
    "explain": (
        "winter-sync explain",
        "winter-sync explain WS-NET-TLS",
    ),
    "simulate": (
        "winter-sync simulate",
        'winter-sync simulate --port 7001 --faults "503:0.1,reset-body:0.05@stack"',
    ),
    "demo": (
        "winter-sync demo",
        "winter-sync demo --log-level info",
    ),
}
"""By command, in the order of simple to special."""

ABOUT_COMMON = "--config, --log-level and --log-format may stand before or after the command."


def epilog_of(command: str) -> str:
    """Return what stands at the end of a command's help."""
    # What follows \b keeps its lines.
    examples = "\n".join(f"  {line}" for line in EXAMPLES[command])
    return f"\b\nExamples:\n{examples}\n\n{ABOUT_COMMON}"
