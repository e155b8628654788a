"""The entry (91): what browsers, the command line and nginx talk to."""
