"""``studio bench``: figures side by side in one run, on the machine that the platform runs on."""
