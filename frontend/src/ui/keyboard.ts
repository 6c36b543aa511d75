/**
 * Keys that work wherever nothing else wants them: ←/→ move the step, space plays. A region that can have the focus is
 * scrolled by the arrows, what can be folded is opened by space.
 */

import { moveStep, togglePlaying } from "../state/playback";

const wantsKeys = "input:not([type=checkbox]), select, textarea, [role=tab], [role=region]";
const wantsSpace = "button, input, summary";

export function onKey(event: KeyboardEvent): void {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || target.matches(wantsKeys)) return;
  if (event.key === " " && !target.matches(wantsSpace)) togglePlaying();
  else if (event.key === "ArrowLeft") moveStep(-1);
  else if (event.key === "ArrowRight") moveStep(1);
  else return;
  event.preventDefault();
}
