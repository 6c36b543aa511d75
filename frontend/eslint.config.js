import js from "@eslint/js";
import tseslint from "typescript-eslint";

/** Imports run one way: api → state → views; drawing stands by itself, and what is seen never speaks HTTP. */
function forbid(files, group, message) {
  return { files, rules: { "no-restricted-imports": ["error", { patterns: [{ group, message }] }] } };
}

export default tseslint.config(
  { ignores: ["node_modules/", "coverage/"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["vitest.config.ts"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }],
      "max-lines": ["error", { max: 400 }],
      eqeqeq: "error",
    },
  },
  { files: ["**/*.test.{ts,tsx}"], rules: { "max-lines-per-function": "off" } },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
  forbid(["src/api.ts"], ["./state/*", "./views/*", "./ui/*", "./drawing/*"], "api.ts knows HTTP only"),
  forbid(["src/drawing/**"], ["../*"], "drawing knows arrays and pixels only"),
  forbid(["src/state/**"], ["../views/*", "../ui/*"], "state does not know who looks at it"),
  forbid(
    ["src/views/**", "src/ui/**", "src/take_away/**"],
    ["../api", "../api.ts", "../api_health", "**/api_health"],
    "views go through state, never HTTP",
  ),
);
