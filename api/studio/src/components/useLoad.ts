import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from "vue";
import { asApiError, type ApiError } from "@/api/client";
import { useSession } from "@/stores/session";

export interface Loaded<Data> {
  data: ShallowRef<Data | null>;
  error: ShallowRef<ApiError | null>;
  loading: Ref<boolean>;
  load: () => Promise<void>;
}

/**
 * What a page shows, loaded at once and by `load` again. With `every` also from time to time while the
 * page is in sight; a failure then is shown only when there is nothing yet. What takes longer than that
 * is waited for: a newer question would throw its answer away.
 */
export function useLoad<Data>(get: () => Promise<Data>, { every = 0 }: { every?: number } = {}): Loaded<Data> {
  const data = shallowRef<Data | null>(null);
  const error = shallowRef<ApiError | null>(null);
  const loading = ref(false);
  const session = useSession();
  let turn = 0;

  async function load(): Promise<void> {
    const mine = ++turn;
    loading.value = true;
    try {
      const found = await get();
      if (mine !== turn) return;
      data.value = found;
      error.value = null;
    } catch (reason) {
      if (mine === turn) error.value = asApiError(reason);
    } finally {
      if (mine === turn) loading.value = false;
    }
  }

  void load();
  // What could not be loaded while nobody was signed in.
  watch(
    () => session.expired,
    (expired) => {
      if (!expired && error.value?.status === 401) void load();
    },
  );
  if (every > 0) {
    const timer = window.setInterval(() => {
      if (!document.hidden && !loading.value) void load();
    }, every);
    onScopeDispose(() => window.clearInterval(timer));
  }
  return { data, error, loading, load };
}
