import { onScopeDispose, type Ref, ref } from "vue";

/** Whether a media query holds, as it changes. */
export function useMedia(query: string): Ref<boolean> {
  const list = window.matchMedia(query);
  const holds = ref(list.matches);
  const look = (): void => void (holds.value = list.matches);
  list.addEventListener("change", look);
  onScopeDispose(() => list.removeEventListener("change", look));
  return holds;
}
