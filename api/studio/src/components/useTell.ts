import { useToast } from "primevue/usetoast";
import { useProblems } from "@/components/problems";

/** Says why something was refused that has no place of its own on the page for that. */
export function useTell(): (reason: unknown) => void {
  const toast = useToast();
  const { title, detail } = useProblems();
  return (reason) => toast.add({ severity: "error", summary: title(reason), detail: detail(reason), life: 7000 });
}
