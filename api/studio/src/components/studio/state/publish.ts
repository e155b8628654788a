import { ApiError } from "@/api/client";
import type { ConfirmationOptions } from "primevue/confirmationoptions";
import type { ComposerTranslation } from "vue-i18n";
import type { Documents } from "./documents";
import type { Git } from "./git";

/**
 * What is deployed is what was pushed: saves what is open, asks whether to commit what has changed, and
 * pushes. False when somebody thought better of it. Raises ApiError when something of that was refused.
 */
export async function readyToDeploy(
  documents: Documents | null,
  git: Git,
  ask: (options: ConfirmationOptions) => void,
  t: ComposerTranslation,
): Promise<boolean> {
  if (documents && !(await documents.saveAll())) {
    const unsaved = [...documents.docs.values()].filter((doc) => doc.dirty).map((doc) => doc.path);
    throw new ApiError({ type: "about:page", title: "", status: 409, detail: t("studio.deploy.unsaved", { names: unsaved.join(", ") }) });
  }
  await git.look();
  const changed = git.status.value?.files.length ?? 0;
  if (changed > 0) {
    const commit = await new Promise<boolean | null>((answer) =>
      ask({
        header: t("studio.deploy.askTitle", changed),
        message: t("studio.deploy.ask"),
        acceptLabel: t("studio.deploy.commit"),
        rejectLabel: t("studio.deploy.without"),
        rejectProps: { severity: "secondary", text: true },
        accept: () => answer(true),
        reject: () => answer(false),
        onHide: () => answer(null),
      }),
    );
    if (commit === null) return false;
    if (commit && !(await git.commit(t("studio.deploy.message"), null))) throw git.failure.value;
  }
  const status = git.status.value;
  if (status && (!status.upstream || (status.ahead ?? 0) > 0) && !(await git.push())) throw git.failure.value;
  return true;
}
