"""7001: files, terminals, Git and logs of the workspaces on a node, for the entry alone."""
