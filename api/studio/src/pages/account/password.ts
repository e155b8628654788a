/** What the API asks of a new password (`ops/passwords.py`). */
export const MIN_LENGTH = 10;
