"""What each code of an error means: what happened, why, what is kept, what to do, how it ends.

The source of `winter-sync explain` and of docs/reference/errors.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING_BEGUN = "Nothing was begun, so nothing changed."
_ALL_KEPT = "Everything downloaded stays, and what is pending stays pending."
_RETRIED = "`run` tries again by itself; for `sync` and `backfill`, run the same command again."


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means.

    Parameters
    ----------
    what
        What happened.
    why
        Why that happens.
    kept
        What is kept.
    do
        What to do.
    exit_code
        With what code a command ends that meets it.
    """

    what: str
    why: str
    kept: str
    do: str
    exit_code: ExitCode


def _use(what: str, why: str, do: str) -> Explanation:
    return Explanation(what, why, _NOTHING_BEGUN, do, ExitCode.USAGE)


def _refused(what: str, why: str, do: str) -> Explanation:
    return Explanation(what, why, _ALL_KEPT, do, ExitCode.REFUSED)


def _server(what: str, why: str, do: str) -> Explanation:
    return Explanation(what, why, _ALL_KEPT, do, ExitCode.SERVER_FAILING)


def _storage(what: str, why: str, do: str) -> Explanation:
    kept = "Published files are complete and stay; nothing half written has a final name."
    return Explanation(what, why, kept, do, ExitCode.STORAGE)


EXPLANATIONS: Mapping[ErrorCode, Explanation] = {
    ErrorCode.INTERNAL_FAULT: Explanation(
        "winter-sync met something that its authors did not foresee.",
        "A fault in the program, or in a library that it uses.",
        _ALL_KEPT,
        "Run the command again; if it stays so, report the log lines to the project.",
        ExitCode.FAULT,
    ),
    ErrorCode.INTERNAL_STALLED: Explanation(
        "The daemon made no progress for longer than daemon.stall_after, and ended itself.",
        "A disk or a network file system that hangs, or a fault in the program; the log has the "
        "stacks of all threads.",
        _ALL_KEPT,
        "systemd and containers start it again; by hand: `winter-sync run`. If it comes back, "
        "check the disk with `winter-sync check`.",
        ExitCode.FAULT,
    ),
    ErrorCode.USE_OPTION: _use(
        "An option or an argument makes no sense, or not together with another.",
        "A misspelt word, a value out of range, or options that contradict each other.",
        "Read the second line of the message, or `winter-sync COMMAND --help`.",
    ),
    ErrorCode.USE_NIGHT: _use(
        "A night, a date or a time cannot be read, or a span of nights is the wrong way round.",
        "Nights are written 20240211 or 2024-02-11, also `yesterday` and `-7d` where that is said.",
        "Write it so, and the first night before the last.",
    ),
    ErrorCode.USE_PLACE: _use(
        "A position, a cone, a rectangle or an angle cannot be read.",
        'Positions are degrees, "150.96,17.82", or hours and degrees, "10h03m50s +17d49m".',
        "Write it as the example in the message does; in quotes where it has a space.",
    ),
    ErrorCode.USE_TARGET: _use(
        "The mirror knows no target of this name, or several places under it.",
        "A name that the archive's listings never had, or that was given to several fields.",
        "Try the suggestion of the message, or give a position.",
    ),
    ErrorCode.USE_PROGRAM: _use(
        "A program was named that the settings do not have, or of which nothing was ever listed.",
        "Its name is misspelt, or it has no [[programs]] table, without which it has no key.",
        "Use one of the programs that the message names, or add the table.",
    ),
    ErrorCode.USE_PRODUCT: _use(
        "No product of the mirror is meant, or several are.",
        "A file name that is misspelt, was never listed, or occurs in several directories.",
        "`winter-sync list` shows what there is; give a longer part of the path.",
    ),
    ErrorCode.USE_REVISION: _use(
        "A revision of a product is not there to be restored.",
        "There is no such number, it is the current one, or its file was removed as the settings "
        "ask.",
        "`winter-sync history FILE` shows the revisions, and which are kept.",
    ),
    ErrorCode.USE_FILE: _use(
        "The file of a product cannot be opened for an answer.",
        "It is not downloaded yet, was deleted here, may not be read by this user, or is not what "
        "its name says.",
        "`winter-sync list --download` gets what is pending; `winter-sync verify --repair` what "
        "was deleted or changed.",
    ),
    ErrorCode.USE_OUTPUT: _use(
        "An output cannot be written as asked.",
        "The name says no format, the file exists already, its directory is not there, or a "
        "terminal was to get a binary table.",
        "Give --format or another --output.",
    ),
    ErrorCode.USE_ADOPT: _use(
        "What `adopt` was given cannot be adopted.",
        "It is no directory, holds the mirror itself, or is a part of it.",
        "Name the directory with the files that are not in the mirror yet.",
    ),
    ErrorCode.USE_INIT: _use(
        "`init` cannot go on with what it was given.",
        "Without a terminal it cannot ask, and something is missing; or files are there already.",
        "Give what the message names as options or WINTER_API_* variables, or --force.",
    ),
    ErrorCode.USE_SAMP: _use(
        "Nothing could be shown by SAMP.",
        "No hub runs, no tool that loads such files is connected to it, or the tool refused.",
        "Start DS9, Aladin or TOPCAT, which bring a hub along, and try again.",
    ),
    ErrorCode.SETTINGS_FILE: _use(
        "The settings file cannot be read.",
        "It is not where it was said to be, or this user may not read it.",
        "Check --config and $WINTER_SYNC_CONFIG; `winter-sync init` writes a new one.",
    ),
    ErrorCode.SETTINGS_TOML: _use(
        "The settings file is not TOML.",
        "A quote, a bracket or an equals sign is missing; the message has the line.",
        "Fix that line.",
    ),
    ErrorCode.SETTINGS_VALUE: _use(
        "Settings have a value or a name that makes no sense.",
        "A misspelt key, or a value of another kind than it takes; all of them are named at once.",
        "Fix the keys that the message names: docs/reference/settings.md lists all.",
    ),
    ErrorCode.SETTINGS_MISSING: _use(
        "Something that is needed is not set: a user, a password, a key, a program or the root.",
        "The settings file is not complete, or not the one that was meant.",
        "Write the lines that the message names, or run `winter-sync init`.",
    ),
    ErrorCode.SETTINGS_SECRET: _use(
        "A secret cannot be used.",
        "Its file cannot be read, is empty or has several lines; or it is given twice.",
        "Put the secret alone, on one line, into a file that only this user may read.",
    ),
    ErrorCode.SETTINGS_WINTERAPI: _use(
        "What winterapi stored cannot be taken over.",
        "It has nothing stored for this user, its file is damaged, or the key in the keyring is "
        "another; or the libraries to read it are not installed.",
        "Run `winter-sync init` and type account and programs by hand.",
    ),
    ErrorCode.LOGIN_REFUSED: _refused(
        "The archive does not accept the credentials, and which of them is not known.",
        "The password or a program's key was changed, or is misspelt.",
        "`winter-sync check` asks for each on its own.",
    ),
    ErrorCode.LOGIN_USER: _refused(
        "The archive does not accept the user and the password.",
        "The password was changed, or one of the two is misspelt.",
        "Set api.user and the password that the archive's own web page takes.",
    ),
    ErrorCode.LOGIN_PROGRAM: _refused(
        "The archive accepts user and password, and not the key of a program.",
        "The key is misspelt or was renewed, or this user may not see the program. Other programs "
        "are mirrored all the same.",
        "Ask the program's PI for the key, and set it in its [[programs]] table.",
    ),
    ErrorCode.NET_NAME: _server(
        "The name of the archive's host has no address.",
        "It is misspelt in api.base_url, or no name server answers here.",
        "`getent hosts HOST` shows whether the name is known. " + _RETRIED,
    ),
    ErrorCode.NET_CONNECT: _server(
        "No connection to the archive can be opened.",
        "The server is down, another port is meant, or a firewall forbids it.",
        "Check api.base_url, and whether this network needs a proxy. " + _RETRIED,
    ),
    ErrorCode.NET_TIMEOUT: _server(
        "The archive did not answer in time, or sends too slowly to go on.",
        "It has too much to do, or the network is slow or drops packets.",
        _RETRIED,
    ),
    ErrorCode.NET_BROKEN: _server(
        "A connection to the archive broke.",
        "The server, a proxy or the network closed it before all had arrived.",
        _RETRIED,
    ),
    ErrorCode.NET_TLS: _server(
        "A secure connection to the archive cannot be made.",
        "Its certificate is not trusted, expired or for another host; or the port speaks plain "
        "HTTP, or TLS where plain HTTP was meant.",
        "Do as the message says: it has the very line or command.",
    ),
    ErrorCode.NET_PROXY: _server(
        "The proxy on the way does not let us through to the archive.",
        "It is down, wants a user and a password, or does not allow the host.",
        "Check the setting or variable that the message names, or ask who runs the proxy.",
    ),
    ErrorCode.NET_HTTP: _server(
        "What answers at the archive's address does not speak HTTP as it should.",
        "Another program listens there, or a proxy interferes.",
        "`curl -v BASE_URL/ping` shows the answer.",
    ),
    ErrorCode.NET_ADDRESS: _server(
        "api.base_url is not the address of the archive's API.",
        "It is misspelt, or the archive has moved. Redirects are not followed, as they would take "
        "the credentials along.",
        "Write the right base_url under [api].",
    ),
    ErrorCode.ARCHIVE_ERRORS: _server(
        "The archive answers with errors (429, or 500 and above).",
        "It is overloaded, being restarted or broken.",
        _RETRIED + " Waits grow while it lasts, and Retry-After is honoured.",
    ),
    ErrorCode.ARCHIVE_PAUSED: _server(
        "No request is sent for now, because the archive did not respond several times in a row.",
        "It is unwell; asking on would not help it.",
        _RETRIED,
    ),
    ErrorCode.ARCHIVE_ANSWER: _server(
        "The archive answered with something that makes no sense.",
        "It was changed, or something else answers at its address.",
        "Check api.base_url. If that is right, report the message to the project.",
    ),
    ErrorCode.ARCHIVE_REJECTED: _server(
        "The archive finds fault with a query (422).",
        "This machine's date is ahead of the archive's, or a target, cone or rectangle is out of "
        "range.",
        "Check the clock and what is asked for; it is asked again at the next poll.",
    ),
    ErrorCode.ARCHIVE_CUT: _server(
        "The archive lists less than it says that it found, or more than can be read at once.",
        "There may be a limit to its listings. What was listed is used, and nothing is taken for "
        "withdrawn.",
        "Narrow the selection by targets, cones or rectangles, or ask the observatory.",
    ),
    ErrorCode.ARCHIVE_DOWNLOADS: _server(
        "Listings arrive, and one download after the other brings nothing.",
        "The part of the archive that packs the files is unwell.",
        _RETRIED,
    ),
    ErrorCode.FILE_DAMAGED: _server(
        "A file did not arrive whole, or is not what its name says.",
        "It was cut on its way, or the archive's own copy is damaged: the same bytes twice, much "
        "later, are kept with a note where no data are missing.",
        "Nothing: it is tried again. `winter-sync status` shows what still fails.",
    ),
    ErrorCode.FILE_ZIP: _server(
        "The zip of a download is damaged or ended early.",
        "It was cut on its way, or packed wrongly. The files before the damage are used.",
        "Nothing: the rest is asked for again.",
    ),
    ErrorCode.FILE_NAME: Explanation(
        "A listed product has a name or a path that nothing may be written under.",
        "It has another ending than the formats that can be checked, or would lead out of the "
        "tree.",
        "Everything else is downloaded.",
        "Report the product to the project if it is a real one.",
        ExitCode.SERVER_FAILING,
    ),
    ErrorCode.FILE_CHANGED: _storage(
        "A file in the mirror is not what was downloaded.",
        "Somebody changed, moved or deleted it, or the disk fails.",
        "`winter-sync verify --repair` moves it aside and downloads it again.",
    ),
    ErrorCode.FILE_HEADERS: _server(
        "The headers of downloaded images cannot be read for now.",
        "The process that reads them cannot be started: too little memory, or too many processes.",
        "Nothing is lost: they are read later. Until then positions and depth of these images are "
        "not known.",
    ),
    ErrorCode.MIRROR_NONE: _use(
        "There is no mirror where one is looked for.",
        "None has begun there yet, or another directory is meant.",
        "Run `winter-sync sync` first, or check mirror.root, mirror.state or --root.",
    ),
    ErrorCode.MIRROR_RUNNING: _use(
        "Another daemon keeps this mirror already.",
        "One daemon at a time is allowed for a root; the message says which process it is.",
        "Stop that one first, or give this one another mirror.root. `sync` and `backfill` may run "
        "beside a daemon.",
    ),
    ErrorCode.MIRROR_ROOT: _storage(
        "The directory of the mirror is not there and cannot be made.",
        "Its parent does not exist, is not a directory, or its file system is not mounted.",
        "Mount it, or create the parent.",
    ),
    ErrorCode.MIRROR_EMPTIED: _storage(
        "The root held a mirror before, and is empty now.",
        "Its file system is not mounted, or somebody emptied it. Nothing is downloaded into what "
        "may be the mount point.",
        "Mount it; or say --new-root if it was emptied on purpose.",
    ),
    ErrorCode.MIRROR_OTHER: _storage(
        "The catalog belongs to another mirror than the one in the root.",
        "mirror.root or mirror.state was changed and the other was not.",
        "Set both to those of the same mirror.",
    ),
    ErrorCode.MIRROR_MARKER: _storage(
        "The file that identifies the mirror cannot be read.",
        "It is damaged, or was written by something else.",
        "Restore it from a backup, or do as the message says.",
    ),
    ErrorCode.MIRROR_UNSAFE: _storage(
        "Other users could change what winter-sync records.",
        "The state directory belongs to another user, or may be written by others.",
        "Run the chown or chmod of the message.",
    ),
    ErrorCode.DISK_FULL: _storage(
        "There is not enough space.",
        "The disk or the quota is full, or less than mirror.min_free would be left.",
        "Free some space, lower min_free, or mirror less. " + _RETRIED,
    ),
    ErrorCode.DISK_PERMISSION: _storage(
        "The user who runs winter-sync may not read or write something.",
        "Wrong owner or mode, or a file system that is mounted read-only.",
        "Give that user permission, or remount it.",
    ),
    ErrorCode.DISK_IN_THE_WAY: _storage(
        "Something that is not ours has a name that is needed.",
        "A file where a directory belongs, a link, or a device.",
        "Move it away: the message has the command.",
    ),
    ErrorCode.DISK_ERROR: _storage(
        "The system reports an error of a file or a directory.",
        "The disk fails, a network file system went away, or it cannot do what is needed.",
        "Read the message; `winter-sync check` tries what the file system can do.",
    ),
    ErrorCode.CATALOG_FAILED: _storage(
        "The catalog, an SQLite database, cannot be used.",
        "The database or its directory cannot be opened, or is locked away.",
        "Check space and permissions of its directory; the files of the tree are not affected.",
    ),
    ErrorCode.CATALOG_BROKEN: _storage(
        "The catalog is damaged.",
        "A disk that fails, a copy made while it was written, or another program's changes.",
        "Restore it from a backup, or build it again from the files with `winter-sync adopt`.",
    ),
    ErrorCode.CATALOG_BUSY: _storage(
        "Another process keeps the catalog locked.",
        "A backup or another program has it open for writing for longer than is waited.",
        "See which (`fuser`), then try again.",
    ),
    ErrorCode.CATALOG_VERSION: _storage(
        "The catalog or the mirror is of another version of winter-sync.",
        "A newer one wrote it; or an older one did, and this user may not upgrade it.",
        "Install the newer version; or let the user who runs the daemon open it once.",
    ),
    ErrorCode.PAGE_ADDRESS: _use(
        "An address cannot be listened on.",
        "The port is in use, needs more rights, or the address is not one of this machine.",
        "Choose another with http.listen, --listen or --port.",
    ),
    ErrorCode.PAGE_TOKEN: _use(
        "Other machines could reach the pages without a token.",
        "http.listen is not a loopback address, and neither a token nor a proxy is set.",
        "Set token_file or trusted_proxy under [http], or listen on 127.0.0.1.",
    ),
    ErrorCode.PAGE_NOT_FOUND: _use(
        "The page has nothing of that name.",
        "The address is misspelt, or what it was about is not listed or not here.",
        "Search for it from the home page.",
    ),
    ErrorCode.PAGE_NOT_READY: _storage(
        "The page cannot be shown for now.",
        "The daemon is starting, ending or paused, or too many pages follow it.",
        "Load it again later; the log says more.",
    ),
}
"""By code, in the order of the codes."""
