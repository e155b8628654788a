{% import "macros.jinja" as macros %}
{% set pip = "pip --python /app/.venv/bin/python install" %}
# A Python app: its requirements in an environment of its own, then its files.
FROM python:3.11-bookworm-slim
{{ macros.workdir() }}
RUN python3 -m venv --without-pip /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app:/app/src PYTHONUNBUFFERED=1 \
    PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
{{ macros.arguments(arguments) }}
{% if app.whole %}
COPY --chown=1000:1000 . .
{% elif app.requirements %}
COPY --chown=1000:1000 {{ app.requirements }} ./
{% endif %}
{% if app.requirements == "requirements.txt" %}
{{ macros.run("pip", pip ~ " -r requirements.txt") }}
{% elif app.requirements == "pyproject.toml" %}
{{ macros.run("pip", 'python -c "import tomllib; print(*tomllib.load(open(\'pyproject.toml\', \'rb\')).get(\'project\', {}).get(\'dependencies\', []), sep=chr(10))" > /tmp/requirements.txt && ' ~ pip ~ ' -r /tmp/requirements.txt') }}
{% endif %}
{% if app.extra %}
{{ macros.run("pip", pip ~ " " ~ app.extra | join(" ")) }}
{% endif %}
{% if not app.whole %}
COPY --chown=1000:1000 . .
{% endif %}
ENV PORT={{ port }}
EXPOSE {{ port }}
CMD {{ app.start | tojson }}
