"""What an error is, for those who say it in other words: the studio's page in its languages.

Each code has its texts in ``api/studio/src/messages/*/errors.ts``; what they name in braces is in
the error's ``values``.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    # who asks
    NOT_SIGNED_IN = "not_signed_in"
    SESSION_ENDED = "session_ended"
    WRONG_CREDENTIALS = "wrong_credentials"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  # no password, but the name of an error
    TOO_MANY_SIGN_INS = "too_many_sign_ins"
    TOO_MANY_REQUESTS = "too_many_requests"
    FOREIGN_PAGE = "foreign_page"
    ADMINISTRATORS_ONLY = "administrators_only"
    LAST_ADMINISTRATOR = "last_administrator"
    ACCOUNT_DELETING = "account_deleting"

    # what things are called
    EMAIL_INVALID = "email_invalid"
    EMAIL_TAKEN = "email_taken"
    NAME_EMPTY = "name_empty"
    NAME_TOO_LONG = "name_too_long"
    NAME_UNSHOWABLE = "name_unshowable"
    REF_INVALID = "ref_invalid"
    ENV_KEY_INVALID = "env_key_invalid"
    ENV_KEY_RESERVED = "env_key_reserved"
    ENV_KEY_TWICE = "env_key_twice"
    ENV_VALUE_TOO_LONG = "env_value_too_long"
    ENV_VALUE_MISSING = "env_value_missing"
    ENV_VALUE_UNREADABLE = "env_value_unreadable"
    ENV_TOTAL = "env_total"
    SSH_KEY_PRIVATE = "ssh_key_private"
    SSH_KEY_INVALID = "ssh_key_invalid"
    SSH_KEY_BROKEN = "ssh_key_broken"
    SSH_KEY_YOURS = "ssh_key_yours"
    SSH_KEY_TAKEN = "ssh_key_taken"
    IMPORT_NOT_HTTPS = "import_not_https"
    IMPORT_CREDENTIALS = "import_credentials"
    IMPORT_ADDRESS = "import_address"
    IMPORT_INSIDE = "import_inside"
    CONFIRM_NAME = "confirm_name"

    # limits
    APPS_LIMIT = "apps_limit"
    LIVE_LIMIT = "live_limit"
    LINKS_LIMIT = "links_limit"
    KEYS_LIMIT = "keys_limit"
    TERMINALS_LIMIT = "terminals_limit"
    DISK_FULL = "disk_full"

    # not there, or not now
    APP_MISSING = "app_missing"
    DEPLOYMENT_MISSING = "deployment_missing"
    LINK_MISSING = "link_missing"
    TOKEN_MISSING = "token_missing"  # noqa: S105
    KEY_MISSING = "key_missing"
    APP_DELETING = "app_deleting"
    APP_BUSY = "app_busy"
    APP_LIVE = "app_live"
    APP_NOT_LIVE = "app_not_live"
    DEPLOYMENT_ENDED = "deployment_ended"
    TOO_LATE = "too_late"
    NO_RELEASE = "no_release"
    NO_EARLIER_RELEASE = "no_earlier_release"
    IMAGE_PRUNED = "image_pruned"
    COLLIDED = "collided"
    RECORDS_AWAY = "records_away"
    CONTROL_AWAY = "control_away"
    WORKSPACE_AWAY = "workspace_away"
    WORKSPACE_CLOSED = "workspace_closed"

    # files and commits
    FILE_MISSING = "file_missing"
    FILE_EXISTS = "file_exists"
    FILE_TOO_LARGE = "file_too_large"
    FILE_IS_FOLDER = "file_is_folder"
    FILE_CHANGED = "file_changed"
    PATH_INVALID = "path_invalid"
    MESSAGE_EMPTY = "message_empty"
    NOTHING_TO_COMMIT = "nothing_to_commit"
    PUSHED_MEANWHILE = "pushed_meanwhile"
    UNCOMMITTED = "uncommitted"
    ARCHIVE_UNREADABLE = "archive_unreadable"
    ARCHIVE_ENTRIES = "archive_entries"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    REGEX_INVALID = "regex_invalid"

    # data
    NO_DATABASE = "no_database"
    DATABASE_AWAY = "database_away"
    DOCUMENT_MISSING = "document_missing"
    DOCUMENT_EXISTS = "document_exists"
    DOCUMENT_TOO_LARGE = "document_too_large"
    DOCUMENT_ID_FIXED = "document_id_fixed"
    NO_JSON_OBJECT = "no_json_object"
    NO_EXTENDED_JSON = "no_extended_json"
