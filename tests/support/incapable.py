"""File systems that lack something, for whole processes: a library between them and the system."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LACKING is like "flock=38,link=1": what is refused, and with which errno. */
static int refused(const char *what) {
    const char *lacking = getenv("LACKING");
    const char *found = lacking ? strstr(lacking, what) : NULL;
    if (!found || found[strlen(what)] != '=') return 0;
    errno = atoi(found + strlen(what) + 1);
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
    struct stat s;
    const char *what = fstat(fd, &s) == 0 && S_ISDIR(s.st_mode) ? "fsyncdir" : "fsyncfile";
    return refused(what) ? -1 : REAL(fsync)(fd);
}

int flock(int fd, int operation);
int flock(int fd, int operation) {
    if (getenv("LACKING") && strstr(getenv("LACKING"), "exclusion")) return 0;
    return refused("flock") ? -1 : REAL(flock)(fd, operation);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    return refused("link") ? -1 : REAL(linkat)(a, from, b, to, flags);
}

int link(const char *from, const char *to) {
    return refused("link") ? -1 : REAL(link)(from, to);
}

int rename(const char *from, const char *to) {
    if (access(to, F_OK) == 0 && refused("replace")) return -1;
    return REAL(rename)(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    if (faccessat(b, to, F_OK, 0) == 0 && refused("replace")) return -1;
    return REAL(renameat)(a, from, b, to);
}

int fchmod(int fd, mode_t mode) {
    return refused("chmod") ? -1 : REAL(fchmod)(fd, mode);
}

int chmod(const char *path, mode_t mode) {
    return refused("chmod") ? -1 : REAL(chmod)(path, mode);
}

int fchmodat(int fd, const char *path, mode_t mode, int flags) {
    return refused("chmod") ? -1 : REAL(fchmodat)(fd, path, mode, flags);
}
"""


def lacking(directory: Path, **errors: int) -> dict[str, str]:
    """Return an environment in which the system refuses some calls, or skip the test.

    Parameters
    ----------
    directory
        Where the library is built.
    **errors
        The errno that is set, by what is refused: `fsyncdir`, `fsyncfile`, `flock`, `link`,
        `replace` (a rename over an existing file), `chmod`; with `exclusion` locks exclude nobody.
    """
    if shutil.which("gcc") is None:
        pytest.skip("the C compiler is missing: install the Debian packages gcc and libc6-dev")
    source, library = directory / "lacking.c", directory / "lacking.so"
    source.write_text(_SOURCE)
    subprocess.run(  # noqa: S603 - our own code
        ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"],  # noqa: S607 - whichever is first
        check=True,
    )
    refusals = ",".join(f"{name}={code}" for name, code in errors.items())
    return {"LD_PRELOAD": str(library), "LACKING": refusals}
