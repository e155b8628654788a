"""What a look at a hop can find, each with its words; what these name in braces is in its values.

The studio's page says the same in its languages: ``api/studio/src/messages/*/doctor.ts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class HopReason(StrEnum):
    """No value of it is one of ``ErrorCode`` too: a hop may tell either."""

    # of any hop
    NOT_LOOKED_AT = "not_looked_at"
    NO_APP_NAMED = "no_app_named"
    NO_USER_NAMED = "no_user_named"
    NOT_IN_TIME = "not_in_time"
    CHECK_FAILED = "check_failed"
    TOLD = "told"

    # servers
    ANSWERS = "answers"
    ANSWERS_ON_PORT = "answers_on_port"
    ANSWERS_STRANGERS = "answers_strangers"
    ANSWERS_WRONGLY = "answers_wrongly"
    ANSWERS_NOT = "answers_not"
    SAYS_UNHEALTHY = "says_unhealthy"
    CONTROL_SILENT = "control_silent"
    WORKER_ANSWERED = "worker_answered"
    NO_WORKER_ANSWERED = "no_worker_answered"
    QUEUE_POLLED = "queue_polled"
    QUEUE_NOT_POLLED = "queue_not_polled"
    QUEUE_UNREADABLE = "queue_unreadable"

    # hosts
    AGENT_ANSWERS = "agent_answers"
    NODE_UP = "node_up"
    NODE_DRAINS = "node_drains"
    NODE_DOWN = "node_down"
    NODE_UNSEEN = "node_unseen"
    NODE_NO_FIGURES = "node_no_figures"
    NODE_DISK = "node_disk"
    RUNNERS_DOWN = "runners_down"
    SLOTS_FREE = "slots_free"
    SLOTS_USED = "slots_used"

    # an app
    APP_SERVES = "app_serves"
    APP_BEING_DELETED = "app_being_deleted"
    APP_STOPPED = "app_stopped"
    APP_NEVER_LIVE = "app_never_live"
    ROUTE_LEADS = "route_leads"
    ROUTE_ELSEWHERE = "route_elsewhere"
    ROUTE_NONE = "route_none"
    CONTAINER_RUNS = "container_runs"
    CONTAINER_NONE = "container_none"
    RELEASE_ANSWERS = "release_answers"
    RELEASE_OTHER = "release_other"
    RELEASE_NONE = "release_none"
    DEPLOYMENT_IS = "deployment_is"
    DEPLOYMENT_NEVER = "deployment_never"
    DEPLOYMENT_FAILED = "deployment_failed"
    DEPLOYMENT_FAILED_AT = "deployment_failed_at"
    COLLECTIONS = "collections"
    COLLECTIONS_NONE = "collections_none"

    # a workspace
    WORKSPACE_OPEN = "workspace_open"
    WORKSPACE_IS = "workspace_is"
    WORKSPACE_NEVER = "workspace_never"
    RUN_IS = "run_is"
    RUN_NEVER = "run_never"


TEXTS: Mapping[HopReason, str] = {
    HopReason.NOT_LOOKED_AT: "not looked at: {title} is not well",
    HopReason.NO_APP_NAMED: "no app was named",
    HopReason.NO_USER_NAMED: "no user (or app) was named",
    HopReason.NOT_IN_TIME: "no answer within {seconds} s",
    HopReason.CHECK_FAILED: "it failed: {why}",
    HopReason.TOLD: "{why}",
    HopReason.ANSWERS: "it answers",
    HopReason.ANSWERS_ON_PORT: "it answers on port {port} ({http})",
    HopReason.ANSWERS_STRANGERS: "it answers ({http} for a name that nobody has)",
    HopReason.ANSWERS_WRONGLY: "it answers {http}",
    HopReason.ANSWERS_NOT: "it does not answer ({why})",
    HopReason.SAYS_UNHEALTHY: "it says that it is not healthy",
    HopReason.CONTROL_SILENT: "deploy control does not answer ({why})",
    HopReason.WORKER_ANSWERED: "a workflow was asked, and answered",
    HopReason.NO_WORKER_ANSWERED: "no worker answered for the workflow of {node}",
    HopReason.QUEUE_POLLED: "the queue {queue} is polled",
    HopReason.QUEUE_NOT_POLLED: "no worker polls the queue {queue}",
    HopReason.QUEUE_UNREADABLE: "the queue {queue} cannot be read ({why})",
    HopReason.AGENT_ANSWERS: "the agent of {node} answers",
    HopReason.NODE_UP: "{node} is UP",
    HopReason.NODE_DRAINS: "{node} is UP, and drains: it takes nothing new",
    HopReason.NODE_DOWN: "{node} is DOWN: {why}",
    HopReason.NODE_UNSEEN: "{node} was never seen",
    HopReason.NODE_NO_FIGURES: "{node} is {status}, and sends no figures",
    HopReason.NODE_DISK: "{node} has {mb} MB of disk left",
    HopReason.RUNNERS_DOWN: "none of these is up: {nodes}",
    HopReason.SLOTS_FREE: "{free} of {slots} slots are free",
    HopReason.SLOTS_USED: "all {slots} slots of {node} are in use",
    HopReason.APP_SERVES: "{app} is live as release {release} on {node}",
    HopReason.APP_BEING_DELETED: "{app} is being deleted",
    HopReason.APP_STOPPED: "{app} was stopped",
    HopReason.APP_NEVER_LIVE: "{app} was never live",
    HopReason.ROUTE_LEADS: "it leads to release {release}",
    HopReason.ROUTE_ELSEWHERE: "the route leads to release {release}",
    HopReason.ROUTE_NONE: "there is no route to it",
    HopReason.CONTAINER_RUNS: "the container of release {release} runs",
    HopReason.CONTAINER_NONE: "no container of release {release} runs",
    HopReason.RELEASE_ANSWERS: "it answers {http} from release {release}",
    HopReason.RELEASE_OTHER: "it answers {http} from another release: {release}",
    HopReason.RELEASE_NONE: "it answers {http} from no release",
    HopReason.DEPLOYMENT_IS: "deployment {id} is {status}",
    HopReason.DEPLOYMENT_NEVER: "it was never deployed",
    HopReason.DEPLOYMENT_FAILED: "deployment {id} is {status}: {why}",
    HopReason.DEPLOYMENT_FAILED_AT: "deployment {id} is {status} at {stage}: {why}",
    HopReason.COLLECTIONS: "documents by collection: {counts}",
    HopReason.COLLECTIONS_NONE: "there is no collection",
    HopReason.WORKSPACE_OPEN: "it is OPEN on {node}",
    HopReason.WORKSPACE_IS: "the workspace of user {user} is {status}",
    HopReason.WORKSPACE_NEVER: "user {user} never opened a workspace",
    HopReason.RUN_IS: "the run of {task} is {status}",
    HopReason.RUN_NEVER: "nothing was started in the workspace",
}
