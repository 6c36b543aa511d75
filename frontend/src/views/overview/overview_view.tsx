/** What is wrong, in sentences; how every layer is doing; how the gradient flows through time as training goes on. */

import { useLayoutEffect } from "preact/hooks";
import { runs, selectedRuns } from "../../state/catalogue";
import { choose, mostRuns } from "../../state/choices";
import { health, isHealthThere, wishHealth } from "../../state/health";
import { problem } from "../../state/problems";
import { wishProfiles } from "../../state/profiles";
import { useRoom } from "../room";
import { Findings } from "./findings";
import { FlowSection } from "./flow_section";
import { useHeight } from "./height";
import { HealthTable } from "./health_table";
import { Readout } from "./readout";

/** What is not shown can't be found to be sick. */
function OtherRuns() {
  const [shown, all] = [selectedRuns.value.length, runs.value.length];
  if (shown >= Math.min(all, mostRuns)) return null;
  return (
    <p class="caption">
      {shown} of {all} runs {shown === 1 ? "is" : "are"} looked at.{" "}
      <button
        type="button"
        class="inline-link"
        title="Tick them in the list of runs"
        onClick={() => {
          choose({ runs: null });
        }}
      >
        {all > mostRuns ? `Look at the first ${mostRuns}` : "Look at all"}
      </button>
    </p>
  );
}

export function OverviewView() {
  const { place, room } = useRoom();
  const above = useHeight();
  useLayoutEffect(() => {
    wishHealth(true);
    wishProfiles(true);
    return () => {
      wishHealth(false);
      wishProfiles(false);
    };
  }, []);
  const isWaiting = health.value === null && !isHealthThere.value && problem.value === null;
  return (
    <div class="view overview-view" ref={place}>
      <div class="overview-top" ref={above.place}>
        <OtherRuns />
        {isWaiting ? (
          <p class="caption" role="status">
            Loading{"\u2026"}
          </p>
        ) : null}
        <Findings />
        <HealthTable room={room} />
      </div>
      <FlowSection room={room} above={above.height} />
      <Readout />
    </div>
  );
}
