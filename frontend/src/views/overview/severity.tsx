/** How grave something is: by its shape and in words, so that it is never told by colour alone. */

import { severities, type Verdict } from "../../state/health";

const shapes: Record<Exclude<Verdict, "">, string> = {
  error: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
  warning: "M8 1.5 15.2 14.5H.8z",
  note: "M8 1a7 7 0 1 1 0 14A7 7 0 1 1 8 1z",
  ok: "M3 8.5 6.5 12 13 4.5",
};

const signs: Partial<Record<Verdict, string>> = {
  error: "M8 4v5M8 11v1.5",
  warning: "M8 6v4M8 11.5v1.5",
  note: "M8 7v5M8 4v1.5",
};

/** 0 for what is all right, more for what is worse. */
export function gravity(severity: Verdict): number {
  return severities.findIndex((one) => one === severity) + 1;
}

export function SeverityMark({ severity }: { severity: Verdict }) {
  if (severity === "") return null;
  return (
    <span class={`severity ${severity}`} title={severity}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <path class="shape" d={shapes[severity]} />
        {signs[severity] === undefined ? null : <path class="sign" d={signs[severity]} />}
      </svg>
      <span class="unseen">{severity}: </span>
    </span>
  );
}
