import { computed, ref, type ComputedRef } from "vue";
import type { ApiError } from "@/api/client";
import { useLoad } from "@/components/useLoad";

export const PAGE = 50;

export interface Pages<Row> {
  /** Null until there is something to show. */
  rows: ComputedRef<Row[] | null>;
  /** There may be earlier ones than these. */
  more: ComputedRef<boolean>;
  /** Why less is here than was asked for. */
  error: ComputedRef<ApiError | null>;
  load: () => Promise<void>;
  loadMore: () => Promise<void>;
  /** `page` answers another list now. */
  restart: () => Promise<void>;
}

/**
 * A list, the newest first, of which more is shown when somebody asks for it. `page` answers the `PAGE` rows
 * after the one of this key. All that is shown is loaded anew: what begins moves the rest down.
 */
export function usePages<Row>(page: (before: number | null) => Promise<Row[]>, key: (row: Row) => number, every: number): Pages<Row> {
  const list = ref(0);
  const wanted = ref(1);
  const { data, error, load } = useLoad(
    async () => {
      const rows: Row[] = [];
      const found = { list: list.value, rows, pages: 0, more: true };
      while (found.more && found.pages < wanted.value) {
        const last = rows.at(-1);
        const next = await page(last === undefined ? null : key(last));
        rows.push(...next);
        found.more = next.length === PAGE;
        found.pages++;
      }
      return found;
    },
    { every },
  );
  const lacks = computed(() => {
    const { value } = data;
    return value?.list !== list.value || (value.more && value.pages < wanted.value);
  });

  function loadMore(): Promise<void> {
    // After one that could not be loaded it is the same page once more.
    wanted.value = (data.value?.pages ?? 0) + 1;
    return load();
  }

  function restart(): Promise<void> {
    list.value++;
    wanted.value = 1;
    return load();
  }

  return {
    rows: computed(() => data.value?.rows ?? null),
    more: computed(() => data.value?.more ?? false),
    error: computed(() => (lacks.value ? error.value : null)),
    load,
    loadMore,
    restart,
  };
}
