import { ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { asApiError, type ApiError } from "@/api/client";

export interface Action {
  /** It is being done. */
  busy: Ref<boolean>;
  error: ShallowRef<ApiError | null>;
  /** Does something that was asked for; false, and `error` says why, when it was refused. */
  act: (what: () => Promise<unknown>) => Promise<boolean>;
}

/** What somebody asks for with a button or a form: `busy` while it is done, `error` when it was refused. */
export function useAction(): Action {
  const busy = ref(false);
  const error = shallowRef<ApiError | null>(null);

  async function act(what: () => Promise<unknown>): Promise<boolean> {
    busy.value = true;
    error.value = null;
    try {
      await what();
      return true;
    } catch (reason) {
      error.value = asApiError(reason);
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { busy, error, act };
}
