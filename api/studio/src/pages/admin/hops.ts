import { useI18n } from "vue-i18n";
import type { HopOut } from "@/api/schema";
import { useProblems } from "@/components/problems";

/** A hop in words of the person's language; what has no text here is said as the API says it. */
export function useHops() {
  const { t, te } = useI18n();
  const { fieldText } = useProblems();

  function orElse(key: string, otherwise: string): string {
    return te(key) ? t(key) : otherwise;
  }

  function title(hop: HopOut): string {
    return orElse(`doctor.title.${hop.key}`, hop.title);
  }

  function reason(hop: HopOut): string {
    const key = `doctor.reason.${hop.code}`;
    return te(key) ? t(key, named(hop)) : fieldText({ what: hop.reason, code: hop.code, values: hop.values });
  }

  function next(hop: HopOut): string {
    return hop.log ? t("doctor.log", { program: hop.log }) : orElse(`doctor.next.${hop.key}`, hop.next_step);
  }

  /** Its values, with those in words of this language that have such words themselves. */
  function named({ values, report }: HopOut): Record<string, string | number> {
    const said: Record<string, string | number> = { ...values };
    for (const [name, words] of [["status", "common.status"], ["stage", "deploy.stage"], ["task", "studio.run.task"]] as const)
      if (name in said) said[name] = orElse(`${words}.${said[name]}`, String(said[name]));
    if (values.hop) said.title = orElse(`doctor.title.${values.hop}`, String(values.title));
    if (values.down) said.why = orElse(`admin.down.${values.down}`, String(values.why));
    if (report) said.why = fieldText(report);
    return said;
  }

  return { title, reason, next };
}
