# Built by buildah where this version was made, with Debian's Python 3.11 in place of the official image.
FROM python:3.11-slim AS build
# Installs what uv.lock pins, by its hashes, and nothing of the tools developers use.
COPY --from=ghcr.io/astral-sh/uv:0.13.9 /uv /usr/local/bin/uv
WORKDIR /srv/sealpost
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --extra prod --no-install-project
COPY manage.py ./
COPY campaigns campaigns
COPY compliance compliance
COPY config config
COPY templates templates
# Static files carry a hash of their content; the settings of one's own machine would not make that manifest,
# and those of a server want keys: these live for this one command.
RUN mkdir -m 700 /tmp/var \
    && .venv/bin/python -m config.keyring /tmp/ring.json \
    && LOCAL=false SECRET_KEY=only-while-building-static-files KEY_RING_FILE=/tmp/ring.json VAR_DIR=/tmp/var \
       PUBLIC_URL=https://build.invalid ALLOWED_HOSTS=build.invalid \
       .venv/bin/python manage.py collectstatic --noinput \
    && rm -rf /tmp/ring.json /tmp/var

FROM python:3.11-slim
# One user everywhere: web and workers share VAR_DIR, and worker journals are locked and read by whoever comes after.
RUN useradd --uid 10001 --home-dir /var/lib/sealpost --create-home --shell /usr/sbin/nologin sealpost \
    && chmod 700 /var/lib/sealpost
WORKDIR /srv/sealpost
COPY --from=build /srv/sealpost /srv/sealpost
ENV PATH=/srv/sealpost/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LOCAL=false VAR_DIR=/var/lib/sealpost
USER sealpost
# The journals of workers lie here: without them a killed worker's mail goes out twice. One volume for each host.
VOLUME /var/lib/sealpost
EXPOSE 8000
# Of the web process; a worker looks after its own jobs, so its container has none (compose.yaml).
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--no-ws", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "8", "--workers-kill-timeout", "30", "config.wsgi:application"]
