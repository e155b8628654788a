import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteLocationRaw } from "vue-router";
import { i18n } from "./i18n";
import { useSession } from "./stores/session";

declare module "vue-router" {
  interface RouteMeta {
    /** Shown to people who are not signed in. */
    open?: boolean;
    /** For administrators. */
    admin?: boolean;
    /** The page takes the whole window below the bar and scrolls by itself. */
    full?: boolean;
    /** The key of its title in the messages. */
    title?: string;
  }
}

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (to, from, saved) => saved ?? (to.name === from.name ? false : { top: 0 }),
  routes: [
    { path: "/", redirect: "/apps" },
    { path: "/sign-in", name: "sign-in", component: () => import("./pages/account/SignInPage.vue"), meta: { open: true, title: "account.signIn.title" } },
    { path: "/sign-up", name: "sign-up", component: () => import("./pages/account/SignUpPage.vue"), meta: { open: true, title: "account.signUp.title" } },
    { path: "/apps", name: "apps", component: () => import("./pages/apps/AppsPage.vue"), meta: { title: "apps.title" } },
    // Not below /apps: /apps/7/ is the app itself, for whoever visits it.
    { path: "/app/:appId(\\d+)/:tab(logs|environment|figures|data|settings)?", name: "app", component: () => import("./pages/app/AppPage.vue"), props: numbered("appId"), meta: { title: "app.title" } },
    { path: "/account", name: "account", component: () => import("./pages/account/AccountPage.vue"), meta: { title: "account.title" } },
    { path: "/account/deletion", name: "deletion", component: () => import("./pages/account/DeletionPage.vue"), meta: { open: true, title: "account.deletion.title" } },
    { path: "/admin/:tab(deployments|workspaces|trouble)?", name: "admin", component: () => import("./pages/admin/AdminPage.vue"), props: true, meta: { admin: true, title: "admin.title" } },
    { path: "/studio/:appId(\\d+)", name: "studio", component: () => import("./pages/studio/StudioPage.vue"), props: numbered("appId"), meta: { full: true, title: "studio.title" } },
    { path: "/:rest(.*)*", name: "missing", component: () => import("./pages/MissingPage.vue"), meta: { open: true, title: "common.missing.title" } },
  ],
});

function numbered(name: string) {
  return (route: RouteLocationNormalized) => ({ ...route.params, [name]: Number(route.params[name]) });
}

router.beforeEach(async (to): Promise<RouteLocationRaw | true> => {
  const session = useSession();
  await session.restore();
  if (to.meta.admin && session.me && !session.isAdmin) return { name: "apps" };
  if (!to.meta.open && !session.me) {
    return { name: session.wasHere() ? "sign-in" : "sign-up", query: to.fullPath === "/apps" ? {} : { next: to.fullPath } };
  }
  if ((to.name === "sign-in" || to.name === "sign-up") && session.me) return { name: "apps" };
  return true;
});

router.afterEach((to) => {
  const title = to.meta.title ? i18n.global.t(to.meta.title) : "";
  document.title = title ? `${title} · Fun AI Studio` : "Fun AI Studio";
});

/** Where a sign-in leads: back to where somebody came from, and never to another site. */
export function nextPath(value: unknown): string {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : "/apps";
}
