import type { ConfirmationOptions } from "primevue/confirmationoptions";

export type Ask = (options: ConfirmationOptions) => void;

/** True or false as it was answered; null when it was closed without an answer. */
export function question(ask: Ask, options: Omit<ConfirmationOptions, "accept" | "reject" | "onHide">): Promise<boolean | null> {
  return new Promise((answer) => ask({ ...options, accept: () => answer(true), reject: () => answer(false), onHide: () => answer(null) }));
}
