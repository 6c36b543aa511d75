/** Where the panels of curves lie. Only what is in sight is drawn, so the place of each must be known beforehand. */

import { type Room } from "../room";

/** What a panel has around its curves, in CSS pixels. */
export const chrome = { title: 24, ticks: 18, below: 10 };
/** The numbers of a y axis. */
export const axisWidth = 46;
const gap = 16;
const highest = 260;
const roomiest = 2400;

export interface CurveLayout {
  /** Panels of one run beside each other. */
  perRun: number;
  /** Runs beside each other. */
  runsAcross: number;
  /** Lines that one panel of every run takes: more than one where the runs do not fit beside each other. */
  linesPerGroup: number;
  /** All lines, each with up to perRun × runsAcross panels. */
  lines: number;
  /** The room of the curves in one panel. */
  width: number;
  height: number;
  lineHeight: number;
  /** From the left edge, where each column's curves begin. */
  lefts: number[];
}

export interface Demand {
  runs: number;
  items: number;
  /** Whether the numbers of the one axis stand at the left edge only. */
  oneAxis: boolean;
  narrowest: number;
  lowest: number;
}

/** Every line is full, or the runs' last panels are all there: groups of a line hold the same items for each run. */
export function layOutCurves(room: Room, { runs, items, oneAxis, narrowest, lowest }: Demand): CurveLayout {
  const before = oneAxis ? axisWidth : 0;
  const within = oneAxis ? 0 : axisWidth;
  const usable = Math.max(narrowest, room.width - before);
  const fitting = Math.max(1, Math.floor((usable + gap) / (narrowest + within + gap)));
  const wanted = Math.max(1, runs);
  // Eight runs where five fit are two lines of four, not five and three.
  const linesPerGroup = Math.ceil(wanted / fitting);
  const runsAcross = Math.ceil(wanted / linesPerGroup);
  const perRun = linesPerGroup > 1 ? 1 : Math.max(1, Math.min(items, Math.floor(fitting / wanted)));
  const columns = perRun * runsAcross;
  const pitch = (usable + gap) / columns;
  const lines = Math.ceil(items / perRun) * linesPerGroup;
  const around = chrome.title + chrome.ticks + chrome.below;
  const height = Math.floor(Math.max(lowest, Math.min(highest, room.height / Math.max(1, lines) - around)));
  return {
    perRun,
    runsAcross,
    linesPerGroup,
    lines,
    width: Math.floor(Math.min(roomiest, pitch - gap - within)),
    height,
    lineHeight: height + around,
    lefts: Array.from({ length: columns }, (_, column) => Math.floor(before + within + column * pitch)),
  };
}

/** What stands at a place of the grid: the index of a run and of an item; null where there is nothing. */
export function placeAt(
  { perRun, runsAcross, linesPerGroup }: CurveLayout,
  line: number,
  column: number,
): { run: number; item: number } {
  const group = Math.floor(line / linesPerGroup);
  const run = (line % linesPerGroup) * runsAcross + Math.floor(column / perRun);
  return { run, item: group * perRun + (column % perRun) };
}

/** The line on which an item's first panel stands. */
export function lineOf({ perRun, linesPerGroup }: CurveLayout, item: number): number {
  return Math.floor(item / perRun) * linesPerGroup;
}

/** Lines beyond the edge that are drawn already, so that slow scrolling never shows an empty one. */
const ahead = 2;

/** First and last line to draw, both included. */
export function linesInSight(
  { lines, lineHeight }: CurveLayout,
  scrolled: number,
  height: number,
): { first: number; last: number } {
  return {
    first: Math.max(0, Math.floor(scrolled / lineHeight) - ahead),
    last: Math.min(lines - 1, Math.floor((scrolled + height) / lineHeight) + ahead),
  };
}
