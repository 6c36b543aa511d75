/** Where one run, or one step, has more of its values than another, and where fewer. */

import { differencePath } from "../../drawing/histogram_difference";
import { visibleColour, zeroColour } from "../../drawing/line_colours";
import { dark } from "../../state/host";
import { runColour } from "../../state/names";
import { differencesIn } from "./differences";
import { type DrawingProps } from "./histogram_panel";
import { panelAttributes } from "./panel_attributes";

const size = { width: 1000, height: 100 };

export function DifferenceDrawing({ panel, axes }: DrawingProps) {
  const { axis, differenceLimit } = axes;
  const found = differencesIn(panel, axis);
  return (
    <>
      <svg
        viewBox={`0 0 ${size.width} ${size.height}`}
        preserveAspectRatio="none"
        {...panelAttributes(panel, axes, "difference of histograms", differenceLimit)}
      >
        <path class="no-difference" d={`M0 ${size.height / 2}H${size.width}`} stroke={zeroColour(dark.value)} />
        {found.map(({ column, difference }) => {
          const colour = visibleColour(runColour(column.position), dark.value);
          return (
            <path
              key={column.key}
              class="bars"
              d={differencePath(difference, axis, differenceLimit, size)}
              style={{ stroke: colour, fill: colour }}
              data-run={column.run}
              data-minus={column.minus?.run}
            />
          );
        })}
      </svg>
      {found.length === 0 ? <span class="nothing">nothing to compare</span> : null}
    </>
  );
}
