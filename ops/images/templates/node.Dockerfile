{% import "macros.jinja" as macros %}
# A Node app: installed from its lockfile where it has one, built if it says how, then started.
FROM node:24-bookworm-slim
{{ macros.workdir() }}
{{ macros.arguments(arguments) }}
{{ macros.npm_install(app.install) }}
{% if app.install.files != ["."] %}
COPY --chown=1000:1000 . .
{% endif %}
{% if app.build %}
ARG BASE_PATH=/
{{ macros.run("npm", app.build) }}
{% endif %}
ENV NODE_ENV=production PORT={{ port }} PATH=/app/node_modules/.bin:$PATH
ENV npm_config_cache=/tmp/npm
EXPOSE {{ port }}
CMD {{ app.start | tojson }}
