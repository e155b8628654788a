import { useI18n } from "vue-i18n";
import { asApiError, type FieldProblem } from "@/api/client";

/** Errors of the API in words of the person's language; what has no code is said as the API says it. */
export function useProblems() {
  const { t, te } = useI18n();

  function title(reason: unknown): string {
    const { problem } = asApiError(reason);
    const kind = problem.type.startsWith("urn:") ? problem.type.slice(problem.type.lastIndexOf(":") + 1) : "";
    for (const key of [`common.problem.${kind}`, `common.problem.${problem.status}`]) if (te(key)) return t(key);
    return t("common.problem.other");
  }

  function detail(reason: unknown): string {
    const { problem } = asApiError(reason);
    if (problem.errors) return problem.errors.map(named).join(" · ");
    return reportText({ what: problem.detail, hint: problem.hint, code: problem.code, values: problem.values });
  }

  /** What happened and what can be done about it. */
  function reportText({ what, hint, code, values }: FieldProblem & { hint?: string | null }): string {
    return fieldText({ what: [what, hint].filter(Boolean).join(". "), code, values });
  }

  /** "This is needed" does not tell what is; the texts of the studio's own codes do. */
  function named(error: FieldProblem & { field: string }): string {
    const name = error.field.replace(/^(body|query|path)(\.|$)/, "");
    return name && !te(`errors.${error.code}`) ? `${name}: ${fieldText(error)}` : fieldText(error);
  }

  function fieldText(error: FieldProblem): string {
    const keys = error.code ? [`errors.${error.code}`, `common.invalid.${error.code}`] : [];
    const known = keys.find((key) => te(key));
    return known ? t(known, error.values ?? {}) : error.what;
  }

  return { title, detail, fieldText, reportText };
}
