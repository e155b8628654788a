"""What each activity takes and returns, and its name: all that a workflow needs to know of it.

Workflows call activities through these descriptors, so that a process imports only the
implementations that its role runs (the control worker never imports Docker). A unit test holds
every implementation to its descriptor.

Naming: ``container``, ``repository`` and ``database`` are names made in ``workflows/ids.py``; an
implementation adds the platform's own prefix (``Settings.name_prefix``) to container names.
Images are always named ``repository`` + ``digest``; each host adds the registry's address as seen
from there. Nothing secret is in any of these models: they are kept in workflow histories.
"""
