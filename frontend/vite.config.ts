import { defineConfig } from "vite";

export default defineConfig({
  // TensorBoard serves the page below any path prefix; only relative addresses survive that.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../tb_rnn_plugin/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rolldownOptions: {
      input: { index: "src/main.tsx" },
      // plugin_entry.html imports index.js and calls its render(); without this the export is shaken away.
      preserveEntrySignatures: "strict",
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
});
