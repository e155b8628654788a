import { ApiError } from "@/api/client";
import type { ComposerTranslation } from "vue-i18n";
import type { Documents } from "./documents";
import type { Git } from "./git";
import { type Ask, question } from "./question";

/**
 * What is deployed is what was pushed: saves what is open, asks whether to commit what has changed, and
 * pushes. A branch that was `typed` and is not the one that is worked on is deployed as it is. False when
 * somebody thought better of it. Raises ApiError when something of that was refused.
 */
export async function readyToDeploy(
  documents: Documents | null,
  git: Git,
  ask: Ask,
  t: ComposerTranslation,
  typed: string | null,
): Promise<boolean> {
  if (documents && !(await documents.saveAll())) {
    const unsaved = [...documents.docs.values()].filter((doc) => doc.dirty).map((doc) => doc.path);
    throw new ApiError({ type: "about:page", title: "", status: 409, detail: t("studio.deploy.unsaved", { names: unsaved.join(", ") }) });
  }
  await git.look();
  if (git.failure.value) throw git.failure.value;
  if (typed !== null && typed !== git.status.value?.branch) return true;
  const changed = git.status.value?.files.length ?? 0;
  if (changed > 0) {
    const commit = await question(ask, {
      header: t("studio.deploy.askTitle", changed),
      message: t("studio.deploy.ask"),
      acceptLabel: t("studio.deploy.commit"),
      rejectLabel: t("studio.deploy.without"),
      rejectProps: { severity: "secondary", text: true },
    });
    if (commit === null) return false;
    if (commit && !(await git.commit(t("studio.deploy.message"), null))) throw refusal(git);
  }
  const status = git.status.value;
  if (status && (!status.upstream || (status.ahead ?? 0) > 0) && !(await git.push())) throw refusal(git);
  return true;
}

/** One thing at a time is done with Git: what was not begun has no failure. */
function refusal(git: Git): ApiError {
  return git.failure.value ?? new ApiError({ type: "about:page", title: "", status: 409, detail: "" });
}
