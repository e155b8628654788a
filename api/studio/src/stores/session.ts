import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { ApiError, api, ask, onSignedOut } from "@/api/client";
import type { Me } from "@/api/schema";
import { keep, read } from "./preferences";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 4000;
/** Without an answer for so long, the page says that it waits for one. */
const LATE = 2000;
const LOST = 15_000;
const RECEIPT = "studio.deletion";

/**
 * Who is signed in. `known`: the platform has said whether anybody is; until then `away` tells that it
 * does not answer. `expired`: somebody was, and is asked for the password without losing the page.
 */
export const useSession = defineStore("session", () => {
  const me = ref<Me | null>(null);
  const known = ref(false);
  const away = ref(false);
  const expired = ref(false);
  let finding: Promise<void> | null = null;
  const isAdmin = computed(() => me.value?.is_admin ?? false);

  onSignedOut(() => {
    if (me.value) expired.value = true;
  });

  /**
   * Once it is known whom the cookie signs in. A platform that does not answer signs nobody out: it is
   * asked until it does.
   */
  function restore(): Promise<void> {
    return (finding ??= find());
  }

  async function find(): Promise<void> {
    const late = window.setTimeout(() => (away.value = true), LATE);
    for (let wait = FIRST_WAIT; !(await restored()); wait = Math.min(wait * 2, LONGEST_WAIT)) {
      away.value = true;
      await new Promise((done) => window.setTimeout(done, wait));
    }
    window.clearTimeout(late);
    known.value = true;
  }

  /** False when the platform, which may just be starting again, said nothing about it. */
  async function restored(): Promise<boolean> {
    try {
      me.value = await ask(api.GET("/api/me", { signal: AbortSignal.timeout(LOST) }), { quiet: true });
      return true;
    } catch (reason) {
      return reason instanceof ApiError && reason.status === 401;
    }
  }

  async function signIn(email: string, password: string): Promise<void> {
    await ask(api.POST("/api/auth/login", { body: { email, password } }), { quiet: true });
    me.value = await ask(api.GET("/api/me"), { quiet: true });
    expired.value = false;
    keep("was-here", "yes");
  }

  async function signUp(email: string, password: string): Promise<void> {
    await ask(api.POST("/api/auth/register", { body: { email, password } }), { quiet: true });
    await signIn(email, password);
  }

  async function signOut(): Promise<void> {
    try {
      await ask(api.POST("/api/auth/logout"), { quiet: true });
    } catch (reason) {
      if (!(reason instanceof ApiError && reason.status === 401)) throw reason;
    }
    me.value = null;
    expired.value = false;
  }

  /** Signs out everywhere. The receipt, which this tab keeps, shows how far it is. */
  async function deleteAccount(password: string): Promise<void> {
    const begun = await ask(api.DELETE("/api/me", { body: { password } }));
    window.sessionStorage.setItem(RECEIPT, begun.receipt);
    me.value = null;
    expired.value = false;
  }

  function deletionReceipt(): string | null {
    return window.sessionStorage.getItem(RECEIPT);
  }

  /** Whether anybody has signed in on this browser before. */
  function wasHere(): boolean {
    return read("was-here") === "yes";
  }

  return { me, known, away, expired, isAdmin, wasHere, restore, signIn, signUp, signOut, deleteAccount, deletionReceipt };
});
