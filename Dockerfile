# Not built where this version was made (docs/operations.md): try it before you rely on it.
FROM python:3.11-slim AS build
WORKDIR /srv/sealpost
RUN python -m venv .venv
COPY requirements.lock .
RUN .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY manage.py pyproject.toml ./
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
RUN useradd --system --uid 10001 --home-dir /var/lib/sealpost --create-home sealpost \
    && chmod 700 /var/lib/sealpost
WORKDIR /srv/sealpost
COPY --from=build /srv/sealpost /srv/sealpost
ENV PATH=/srv/sealpost/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LOCAL=false VAR_DIR=/var/lib/sealpost
USER sealpost
VOLUME /var/lib/sealpost
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--no-ws", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "8", "--workers-kill-timeout", "30", "config.wsgi:application"]
