import { onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { api, ask, asApiError, type ApiError } from "@/api/client";
import type { DeploymentOut, DeploymentStatus, Stage } from "@/api/schema";
import { follow } from "@/api/stream";
import { lineBuffer } from "@/components/log/buffer";
import { useSession } from "@/stores/session";

export function hasEnded(status: DeploymentStatus): boolean {
  return status !== "PENDING" && status !== "RUNNING";
}

/** In the order in which they are shown. */
export const STAGES: readonly Stage[] = [
  "place", "clone", "build", "push", "database", "start", "health", "switch", "verify", "soak", "retire",
];

/** The stages that a deployment of this kind goes through when all goes well. */
export function expectedStages(deployment: DeploymentOut): readonly Stage[] {
  if (deployment.kind === "deploy") return STAGES;
  if (deployment.kind === "stop") return [];
  return STAGES.filter((stage) => !["clone", "build", "push"].includes(stage));
}

/**
 * A deployment and its log as they come, across reloads, lost connections and restarts of the API.
 * The snapshot is asked for first, so that a deployment that ended long ago is shown at once.
 */
export function useDeployment(id: Ref<number | null>) {
  const deployment = shallowRef<DeploymentOut | null>(null);
  const error = shallowRef<ApiError | null>(null);
  const connected = ref(true);
  /** All of the log is here. */
  const logWhole = ref(false);
  const buffer = lineBuffer();
  const session = useSession();
  let stops: (() => void)[] = [];
  let turn = 0;

  function stop(): void {
    for (const one of stops) one();
    stops = [];
  }

  function take(found: DeploymentOut): void {
    // A connection that began again may tell what is known already, and never what is older.
    if (deployment.value?.id === found.id && found.version < deployment.value.version) return;
    deployment.value = found;
  }

  async function start(wanted: number): Promise<void> {
    stop();
    const mine = ++turn;
    const left = (): boolean => mine !== turn || id.value !== wanted;
    buffer.clear();
    logWhole.value = false;
    error.value = null;
    connected.value = true;
    if (deployment.value?.id !== wanted) deployment.value = null;
    try {
      const found = await ask(api.GET("/api/deployments/{deployment_id}", { params: { path: { deployment_id: wanted } } }));
      if (left()) return;
      take(found);
    } catch (reason) {
      if (left()) return;
      error.value = asApiError(reason);
      // Gone, or somebody else's; anything else may come back, and the streams below try again.
      if (error.value.status === 404 || error.value.status === 401) return;
    }
    const path = `/api/deployments/${wanted}`;
    if (!deployment.value || !hasEnded(deployment.value.status)) {
      const close = follow({
        url: () => `${path}/events`,
        events: ["deployment"],
        onEvent: (_name, data) => {
          error.value = null;
          const found = data as DeploymentOut;
          take(found);
          if (hasEnded(found.status)) close();
        },
        onState: (state) => (connected.value = state),
        onEnd: () => (connected.value = true),
      });
      stops.push(close);
    }
    stops.push(
      follow({
        url: (after) => `${path}/log?follow=true&after=${after ?? -1}`,
        events: ["line"],
        endEvent: "end",
        onEnd: () => (logWhole.value = true),
        onEvent: (_name, data) => {
          const line = data as { n: number; text: string };
          buffer.push(line.text, line.n);
        },
      }),
    );
  }

  watch(
    id,
    (wanted) => {
      if (wanted !== null) return void start(wanted);
      stop();
      deployment.value = null;
      buffer.clear();
    },
    { immediate: true },
  );
  async function reload(): Promise<void> {
    if (id.value !== null) await start(id.value);
  }

  // What could not be loaded while nobody was signed in.
  watch(
    () => session.expired,
    (expired) => {
      if (!expired && error.value?.status === 401) void reload();
    },
  );
  onScopeDispose(stop);
  return { deployment, error, connected, buffer, logWhole, reload };
}
