import { problem } from "../state/problems";
import { tryAgain } from "../state/start";

/** What the server said went wrong; what was drawn before stays below it. */
export function Banner() {
  if (problem.value === null) return null;
  return (
    <div class="banner" role="alert">
      <span>{problem.value}</span>
      <button type="button" onClick={tryAgain} title="Ask the server again">
        Retry
      </button>
    </div>
  );
}
