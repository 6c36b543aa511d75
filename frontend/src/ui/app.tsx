/** The frame: controls to the left, the views' tabs, the steps below. */

import { useEffect, useLayoutEffect } from "preact/hooks";
import { choices } from "../state/choices";
import { dark } from "../state/host";
import { needs, usualNeeds } from "../state/needs";
import { viewNamed } from "../views/registry";
import { Banner } from "./banner";
import { ControlPanel } from "./control_panel";
import { EmptyState, emptiness } from "./empty_state";
import { Introduction, IntroductionButton } from "./introduction";
import { onKey } from "./keyboard";
import { StepBar } from "./step_bar";
import { TabPanel, Tabs } from "./tabs";

export function App() {
  const isDark = dark.value;
  useEffect(() => {
    document.documentElement.classList.toggle("dark", isDark);
  }, [isDark]);
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
    };
  }, []);
  const asked = viewNamed(choices.value.view).needs ?? usualNeeds;
  useLayoutEffect(() => {
    needs.value = asked;
  }, [asked]);
  const empty = emptiness.value;
  const nothingAtAll = empty === "loading" || empty === "no runs" || empty === "no data";
  return (
    <div class="frame">
      {nothingAtAll ? null : <ControlPanel />}
      <main>
        <h1 class="unseen">Recurrent networks</h1>
        {nothingAtAll ? null : (
          <div class="tab-row">
            <Tabs />
            <IntroductionButton />
          </div>
        )}
        <Banner />
        {nothingAtAll ? null : <Introduction />}
        {nothingAtAll ? (
          <EmptyState kind={empty} />
        ) : (
          <TabPanel>{empty === null ? null : <EmptyState kind={empty} />}</TabPanel>
        )}
      </main>
      {nothingAtAll ? null : <StepBar />}
    </div>
  );
}
