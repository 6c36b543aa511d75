/** The whole page as a figure, for `python -m tb_rnn_plugin export`: the browser there has no one to press a button. */

import { snappedStep } from "../state/series";
import { settled } from "../state/settled";
import { pngOf } from "./png";
import { viewFigure, viewTitle } from "./view_figure";

export interface PageFigure {
  /** SVG text, or a PNG in base64. */
  content: string;
  width: number;
  height: number;
  title: string;
  step: number | null;
}

async function base64Of(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const pieces: string[] = [];
  const most = 0x8000;
  for (let at = 0; at < bytes.length; at += most) {
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + most)));
  }
  return btoa(pieces.join(""));
}

/** Waits until all is drawn. `scale` is how many pixels a PNG has for each unit of the page. */
export async function pageFigure(format: "svg" | "png", scale: number): Promise<PageFigure> {
  document.documentElement.classList.add("figure-only");
  await settled();
  const view = document.querySelector<HTMLElement>("#view .view");
  if (view === null) throw new Error("there is nothing to draw");
  const figure = viewFigure(view);
  const content = format === "svg" ? figure.svg : await base64Of(await pngOf(figure, scale));
  return { content, width: figure.width, height: figure.height, title: viewTitle(), step: snappedStep.value };
}
