import { choices, choose } from "../state/choices";
import { viewNamed, views } from "../views/registry";

function moveFocus(event: KeyboardEvent): void {
  const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (turn === undefined) return;
  event.stopPropagation();
  const at = views.indexOf(viewNamed(choices.value.view));
  const next = views[(at + turn + views.length) % views.length];
  choose({ view: next.name });
  document.getElementById(`tab-${next.name}`)?.focus();
}

export function Tabs() {
  const active = viewNamed(choices.value.view);
  return (
    <div class="tabs" role="tablist" aria-label="Views" onKeyDown={moveFocus}>
      {views.map(({ name, label }) => (
        <button
          key={name}
          id={`tab-${name}`}
          type="button"
          role="tab"
          aria-selected={name === active.name}
          aria-controls="view"
          tabIndex={name === active.name ? 0 : -1}
          onClick={() => {
            choose({ view: name });
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

export function ActiveView() {
  const { name, Component } = viewNamed(choices.value.view);
  return (
    <div id="view" class="tab-panel" role="tabpanel" aria-labelledby={`tab-${name}`}>
      <Component />
    </div>
  );
}
