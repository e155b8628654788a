import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { ApiError, api, ask, onSignedOut } from "@/api/client";
import type { Me } from "@/api/schema";
import { keep, read } from "./preferences";

const ATTEMPTS = 20;
const WAIT = 500;

/** Who is signed in. `expired`: somebody was, and is asked for the password without losing the page. */
export const useSession = defineStore("session", () => {
  const me = ref<Me | null>(null);
  const expired = ref(false);
  const isAdmin = computed(() => me.value?.is_admin ?? false);

  onSignedOut(() => {
    if (me.value) expired.value = true;
  });

  /** Finds out who the cookie says is signed in. A platform that does not answer signs nobody out. */
  async function restore(): Promise<void> {
    for (let left = ATTEMPTS; left > 0 && !(await restored()); left--) {
      await new Promise((done) => window.setTimeout(done, WAIT));
    }
  }

  /** False when the platform, which may just be starting again, said nothing about it. */
  async function restored(): Promise<boolean> {
    try {
      me.value = await ask(api.GET("/api/me"), { quiet: true });
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

  /** Whether anybody has signed in on this browser before. */
  function wasHere(): boolean {
    return read("was-here") === "yes";
  }

  return { me, expired, isAdmin, wasHere, restore, signIn, signUp, signOut };
});
