import { type ComponentChildren } from "preact";
import { choices, choose } from "../state/choices";
import { viewNamed, views } from "../views/registry";

function moveFocus(event: KeyboardEvent): void {
  const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (turn === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
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
      {views.map(({ name, label, introduction }) => (
        <button
          key={name}
          id={`tab-${name}`}
          type="button"
          role="tab"
          aria-selected={name === active.name}
          aria-controls="view"
          title={introduction.question}
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

/** The panel that the tabs belong to: the view, or what is said in its place. */
export function TabPanel({ children }: { children?: ComponentChildren }) {
  const { name, Component } = viewNamed(choices.value.view);
  return (
    <div id="view" class="tab-panel" role="tabpanel" aria-labelledby={`tab-${name}`}>
      {children ?? <Component />}
    </div>
  );
}
