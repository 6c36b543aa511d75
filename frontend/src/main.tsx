/** TensorBoard's plugin page imports this module and calls render(); `python -m tb_rnn_plugin export` then calls pageFigure(). */

import { render as mount } from "preact";
import { start } from "./state/start";
import { App } from "./ui/app";
import style from "./ui/style.css?inline";

export { pageFigure } from "./take_away/page_figure";

export function render(): void {
  const sheet = document.createElement("style");
  sheet.textContent = style;
  document.head.append(sheet);
  document.title = "RNN";
  document.documentElement.lang = "en";
  start();
  mount(<App />, document.body);
}
