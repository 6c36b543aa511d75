/** Text that is selected in what a click opens and closes. */

/** Whether the click that is heard of is the end of a drag over text. */
export function isTextSelected(): boolean {
  return window.getSelection()?.isCollapsed === false;
}
