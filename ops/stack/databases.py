"""MariaDB and PostgreSQL: data folders made once, users and databases ensured at each start."""

from __future__ import annotations

import shutil
from pathlib import Path

from ops.db.session import DATABASE, DATABASE_USER
from ops.errors import PlatformError
from ops.settings import Settings, read_secret
from ops.stack.files import mysql_socket
from ops.stack.programs import MYSQL_USER, POSTGRES_BIN, POSTGRES_USER
from ops.stack.shell import run

#: Written last into a new data folder: one without it is half made, and is made again.
READY = ".studio-ready"


def create_mysql_data(settings: Settings) -> None:
    data = settings.data / "mysql"
    if (data / READY).exists():
        return
    _empty(data)
    run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            f"--user={MYSQL_USER}",
            "--skip-test-db",
            "--auth-root-authentication-method=socket",
            "--auth-root-socket-user=root",
        ]
    )
    (data / READY).touch()


def ensure_mysql_database(settings: Settings) -> None:
    """The studio's database and its user; root by the socket or, from scripts, by password."""
    statements = f"""
        CREATE DATABASE IF NOT EXISTS {DATABASE}
            CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
        CREATE USER IF NOT EXISTS '{DATABASE_USER}'@'127.0.0.1';
        ALTER USER '{DATABASE_USER}'@'127.0.0.1'
            IDENTIFIED BY '{_secret(settings, "mysql-studio")}';
        GRANT ALL ON {DATABASE}.* TO '{DATABASE_USER}'@'127.0.0.1';
        ALTER USER 'root'@'localhost' IDENTIFIED VIA unix_socket
            OR mysql_native_password USING PASSWORD('{_secret(settings, "mysql-root")}');
    """
    run(
        [
            "mariadb",
            "--no-defaults",
            f"--socket={mysql_socket(settings)}",
            "--user=root",
            "--batch",
        ],
        stdin=statements,
    )


def create_postgres_data(settings: Settings) -> None:
    data = settings.data / "postgres"
    if (data / READY).exists():
        return
    _empty(data)
    run(
        [
            POSTGRES_BIN / "initdb",
            "-D",
            data,
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
        ],
        user=POSTGRES_USER,
    )
    (data / READY).touch()


def ensure_postgres_database(settings: Settings) -> None:
    """The administrator's password, and the one database in which FerretDB keeps a schema an app."""
    socket = settings.run / "postgres"
    statements = rf"""
        ALTER ROLE postgres PASSWORD '{_secret(settings, "postgres-admin")}';
        SELECT 'CREATE DATABASE ferretdb' WHERE NOT EXISTS
            (SELECT FROM pg_database WHERE datname = 'ferretdb') \gexec
    """  # noqa: S608 - _secret refuses what could end the literal
    run(
        [
            POSTGRES_BIN / "psql",
            "--no-psqlrc",
            "--quiet",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            socket,
            "-p",
            str(settings.ports.postgres),
            "-U",
            "postgres",
            "-d",
            "postgres",
        ],
        stdin=statements,
        user=POSTGRES_USER,
    )


def _secret(settings: Settings, name: str) -> str:
    value = read_secret(settings, name).get_secret_value()
    if "'" in value or "\\" in value:
        raise PlatformError(f"the secret {name} may not contain quotes or backslashes")
    return value


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
