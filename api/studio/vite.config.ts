import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";
import vue from "@vitejs/plugin-vue";
import { defineConfig, type Plugin } from "vite";

const COMPRESSED = /\.(js|css|html|svg|json|ttf|wasm|map|txt)$/;

/** Puts a `.gz` beside each file that gets smaller by it; nginx sends that one as it is. */
function precompress(): Plugin {
  let folder = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        const path = join(folder, entry);
        if (!statSync(path).isFile() || !COMPRESSED.test(path)) continue;
        const plain = readFileSync(path);
        const small = gzipSync(plain, { level: constants.Z_BEST_COMPRESSION });
        if (small.length < plain.length) writeFileSync(`${path}.gz`, small);
      }
    },
  };
}

/** Where `npm run dev` finds the API; the Host is what the platform knows itself by. */
const studio = process.env.STUDIO_URL ?? "http://studio.localhost:8000";

export default defineConfig({
  plugins: [vue(), precompress()],
  resolve: { alias: { "@": join(import.meta.dirname, "src") } },
  define: {
    __VUE_OPTIONS_API__: true, // PrimeVue's components are written so
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __INTLIFY_JIT_COMPILATION__: true, // without it messages would be compiled by new Function
    __INTLIFY_DROP_MESSAGE_COMPILER__: false,
  },
  build: {
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 6000, // the editor
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": { target: studio, changeOrigin: true, ws: true, headers: { origin: studio } },
    },
  },
});
