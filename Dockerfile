# winter-sync in a container; docs/container.md says what it promises and how to use it.
#
# Any base with Python 3.11 or newer and its venv module as `python3` will do; both stages use the
# same one, because the virtual environment points to its Python.
ARG BASE=python:3.11-slim-bookworm


FROM ${BASE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python3 -m venv /opt/winter-sync
RUN command -v strip > /dev/null \
    || { apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils > /dev/null; }

# Where pip finds packages, and whom it trusts, is a matter of the place: both secrets may be left
# out, and neither ends in a layer or in the history.
COPY locks/runtime.txt locks/build.txt locks/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=authorities.pem,target=/run/secrets/authorities.pem \
    /opt/winter-sync/bin/python -m pip install --quiet --no-compile --require-hashes \
        --requirement locks/runtime.txt --requirement locks/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY winter_sync winter_sync
RUN /opt/winter-sync/bin/python -m pip install --quiet --no-compile --no-index \
        --no-deps --no-build-isolation . \
    && /opt/winter-sync/bin/python -m pip uninstall --quiet --yes flit_core setuptools pip

# The tests of the libraries are an eighth of their size (astropy/tests itself is imported by
# astropy), and what only a debugger or a compiler reads is a quarter. Libraries that were repaired
# for their wheels (*.libs) are left as they are: stripping can break them. Of Pillow only what
# draws PNG is used.
# The demo proves that nothing else went, and shows what is used: that is compiled, with
# the daemon's own libraries, and most of astropy is not. The image never changes, so the bytecode
# is not compared with its source, whose time a builder may not keep.
RUN cd /opt/winter-sync/lib/python3*/site-packages \
    && find . -depth -type d -name tests ! -path ./astropy/tests -exec rm -r {} + \
    && find . -type f -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} + \
    && find . -type f \( -name '*.[ach]' -o -name '*.px[di]' -o -name '*.pyx' \) -delete \
    && rm -f PIL/_avif.*.so PIL/_webp.*.so PIL/_imagingtk.*.so pillow.libs/libavif-* \
    && PYTHONDONTWRITEBYTECODE= /opt/winter-sync/bin/winter-sync demo \
    && find . -name '*.pyc' | sed 's|__pycache__/\(.*\)\.cpython-.*|\1.py|' > /build/used \
    && python3 -m compileall -q -f --invalidation-mode unchecked-hash -i /build/used \
    && python3 -m compileall -q -f --invalidation-mode unchecked-hash \
        winter_sync apscheduler jinja2 markupsafe prometheus_client


FROM ${BASE}

ARG VERSION=0.1.0
ARG UID=10001
ARG GID=10001

LABEL org.opencontainers.image.title="winter-sync" \
      org.opencontainers.image.description="Keeps a local, trustworthy mirror of WINTER and SPRING data, by night." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"

COPY --from=builder /opt/winter-sync /opt/winter-sync
COPY --chmod=755 tools/healthy.py /opt/winter-sync/bin/winter-sync-healthy
COPY --chmod=644 config/winter-sync.toml /usr/share/doc/winter-sync/winter-sync.toml

# As /tmp is: whoever the container is run as can begin a mirror on a new volume.
RUN mkdir --mode=1777 /data

# The memory of known roots (winter_sync/tree/known_roots.py) lies beside the root, not in it: so a root with
# a file system of its own is missed when that is not mounted.
ENV PATH=/opt/winter-sync/bin:$PATH \
    HOME=/nonexistent \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/data \
    XDG_STATE_HOME=/data/.state \
    WINTER_SYNC_MIRROR__ROOT=/data/winter \
    WINTER_SYNC_HTTP__LISTEN=127.0.0.1:8765

WORKDIR /data
VOLUME /data
USER ${UID}:${GID}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=1m --retries=3 CMD ["winter-sync-healthy"]
ENTRYPOINT ["winter-sync"]
CMD ["run"]
