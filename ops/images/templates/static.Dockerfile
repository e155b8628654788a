# Plain files, served as they are.
FROM studio-static:1
{% for name in arguments %}
ARG {{ name }}
{% endfor %}
COPY --chown=1000:1000 . /srv/
ENV PORT={{ port }}
EXPOSE {{ port }}
