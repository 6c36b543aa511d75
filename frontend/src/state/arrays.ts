/** Fetches the arrays that the screen needs and keeps them. What is kept is drawn without a request. */

import { computed, effect, signal } from "@preact/signals";
import { ApiError, type ArraysAnswer, fetchArrays, type NumericArray } from "../api";
import { ArrayCache } from "./array_cache";
import { polls, refreshIndex } from "./catalogue";
import { choices } from "./choices";
import { noteShapes } from "./matrix_shapes";
import { attempts, reportProblem, resolveProblem } from "./problems";
import { covers } from "./region";
import { type Wanted, wanted } from "./wanted";

export interface LoadedArray extends NumericArray {
  /** The step of what was taken away from it, if anything was; left out where that is another run at the same step. */
  minusStep?: number;
}

/** What came for something wanted: its arrays, or the reason why there are none. */
export interface Arrival {
  arrays: LoadedArray[];
  missing: string | null;
}

/** The keys of what the screen needs, exact or rounded. */
const needed = computed(
  () => new Set(wanted.value.flatMap((item) => [keyOf(item, "float32"), keyOf(item, "bfloat16")])),
);

const budget = 192 * 2 ** 20;
const cache = new ArrayCache<Arrival>(budget, (key) => needed.peek().has(key));

/** What was seen of each sample, set of matrices or region of one, the latest first: shown until its next step or region has come. */
const seen = new Map<string, Arrival[]>();
const seenKept = 4;

/** Counts up whenever the cache has grown. */
export const arrivals = signal(0);

export const exactness = signal<"float32" | "bfloat16">("float32");

function keyOf(item: Wanted, dtype: string): string {
  const { run, layer, quantity, step, wallTime, sample, matrix, layout, orderStep } = item;
  const order = layout.order === null ? null : orderStep;
  return JSON.stringify([run, layer, quantity, step, wallTime, sample, matrix, layout, order, dtype]);
}

function placeOf({ column, layer, quantity, sample, matrix }: Wanted): string {
  return JSON.stringify([column, layer, quantity, sample, matrix]);
}

/** The arrays for something wanted if they are here: exact ones rather than rounded ones. */
function here(item: Wanted): Arrival | undefined {
  return cache.get(keyOf(item, "float32")) ?? cache.get(keyOf(item, "bfloat16"));
}

function remember(item: Wanted, arrival: Arrival): void {
  const place = placeOf(item);
  const others = (seen.get(place) ?? []).filter((other) => other !== arrival);
  seen.set(place, [arrival, ...others].slice(0, seenKept));
}

/** What is no longer looked at would be kept for good. */
function forgetOthers(): void {
  const places = new Set(wanted.peek().map(placeOf));
  for (const place of seen.keys()) if (!places.has(place)) seen.delete(place);
}

/** The ends of the region that an array was fetched in. */
export function spansOf(array: NumericArray): { rowSpan: [number, number]; columnSpan: [number, number] } {
  const { first_row: row, rows, first_column: column, columns } = array;
  return { rowSpan: [row, row + rows - 1], columnSpan: [column, column + columns - 1] };
}

function coversAll({ arrays }: Arrival): boolean {
  const { reflect } = choices.value;
  return arrays.every((array) => {
    const [fullRows, fullColumns] = array.full_shape;
    const { split, reflected, matrix } = array;
    return covers(matrix, { ...spansOf(array), fullRows, fullColumns, split, reflected }, reflect);
  });
}

/** What was there before, as far as it shows all that is in sight. */
function before(item: Wanted): Arrival | undefined {
  return seen.get(placeOf(item))?.find(coversAll);
}

/** What to draw for something wanted: itself, or what was there before it. */
export function arrivalFor(item: Wanted): { arrival: Arrival | undefined; stale: boolean } {
  const arrival = here(item);
  if (arrival === undefined) return { arrival: before(item), stale: true };
  remember(item, arrival);
  return { arrival, stale: false };
}

function lacks(item: Wanted, dtype: string): boolean {
  return !cache.has(keyOf(item, "float32")) && !(dtype === "bfloat16" && cache.has(keyOf(item, "bfloat16")));
}

function isEverythingFetched(items: Wanted[], dtype: string): boolean {
  return items.every((item) => !lacks(item, dtype));
}

/** Whether everything wanted is here to the last digit. */
export function areArraysExact(): boolean {
  return isEverythingFetched(wanted.value, "float32");
}

export function isEverythingThere(): boolean {
  return isEverythingFetched(wanted.value, "bfloat16");
}

function store(items: Wanted[], answer: ArraysAnswer, dtype: "float32" | "bfloat16"): void {
  noteShapes(answer.arrays);
  for (const item of items) {
    const arrays = answer.arrays.filter(
      ({ run, sample, matrix }) =>
        run === item.run &&
        (item.sample === null || sample === item.sample) &&
        (item.matrix === null || matrix === item.matrix),
    );
    const reason = answer.missing.find(
      ({ run, sample }) => run === item.run && (item.sample === null || sample === null || sample === item.sample),
    )?.reason;
    const arrival = { arrays, missing: arrays.length > 0 ? null : (reason ?? "The server sent nothing for this.") };
    const bytes = arrays.reduce((sum, { cells }) => sum + cells.byteLength, 0);
    cache.set(keyOf(item, dtype), arrival, bytes);
    remember(item, arrival);
  }
  forgetOthers();
  arrivals.value++;
}

interface Request {
  /** Of all that it will answer. */
  keys: ReadonlySet<string>;
  /** Requests of one quantity, in one size and region, are let finish: each is a frame while scrubbing. */
  subject: string;
  ahead: boolean;
  controller: AbortController;
}

let running: Request | null = null;
const refused = new Set<string>();
/** Whether the last refusal was the server's silence: then it is worth asking again once it answers. */
let wasSilent = false;

function subjectOf({ quantity, matrix, layout }: Wanted): string {
  return JSON.stringify([quantity, matrix, layout]);
}

/** One request has one pooling and one step a run: what fits with the first of them. */
function together(items: Wanted[]): Wanted[] {
  const [first] = items;
  const stepsOf = ({ step, orderStep }: Wanted) => `${step} ${orderStep}`;
  const steps = new Map(items.toReversed().map((item) => [item.run, stepsOf(item)]));
  return items.filter((item) => subjectOf(item) === subjectOf(first) && stepsOf(item) === steps.get(item.run));
}

async function request(items: Wanted[], dtype: "float32" | "bfloat16", ahead: boolean): Promise<void> {
  const [{ quantity, matrix, layout }] = items;
  const controller = new AbortController();
  // What is exact is as good as what is rounded.
  const answered = dtype === "float32" ? (["float32", "bfloat16"] as const) : [dtype];
  const keys = new Set(items.flatMap((item) => answered.map((one) => keyOf(item, one))));
  running = { keys, subject: subjectOf(items[0]), ahead, controller };
  const own = running;
  const runs = [
    ...new Map(items.map(({ run, layer, step, orderStep }) => [run, { run, layer, step, orderStep }])).values(),
  ];
  const samples = [...new Set(items.flatMap(({ sample }) => sample ?? []))];
  try {
    const asked = { runs, quantity, samples, matrices: matrix === null ? [] : [matrix], layout, dtype };
    const answer = await fetchArrays(asked, controller.signal);
    store(items, answer, dtype);
    // Other arrays may still be refused: of what came ahead, or before them, they know nothing.
    if (isEverythingFetched(wanted.peek(), exactness.peek())) resolveProblem("arrays");
  } catch (error) {
    // Of what was fetched ahead no one knows: it is asked for again once it is wanted.
    if (!controller.signal.aborted && !ahead) refuse(items, error);
  }
  // An aborted request has a successor already.
  if (running !== own) return;
  running = null;
  fetchLacking();
}

function refuse(items: Wanted[], error: unknown): void {
  for (const item of items) refused.add(keyOf(item, ""));
  wasSilent = error instanceof ApiError && error.status === 0;
  if (!items.some((item) => needed.peek().has(keyOf(item, "float32")))) return;
  reportProblem("arrays", error);
  // A step that was kept a moment ago may have been evicted since: the series knows.
  if (error instanceof ApiError && error.status === 404) void refreshIndex();
}

function lackingOf(items: Wanted[], dtype: string): Wanted[] {
  return items.filter((item) => lacks(item, dtype) && !refused.has(keyOf(item, "")));
}

let neighbours: () => Wanted[] = () => [];

/** What was fetched ahead of the same wanted ones: where there is no room for it, it must not be fetched over and over. */
let askedAhead: { of: Wanted[]; keys: Set<string> } = { of: [], keys: new Set() };

function lackingAhead(dtype: string): Wanted[] {
  if (askedAhead.of !== wanted.peek()) askedAhead = { of: wanted.peek(), keys: new Set() };
  const lacking = lackingOf(neighbours(), dtype).filter((item) => !askedAhead.keys.has(keyOf(item, dtype)));
  const next = lacking.length === 0 ? [] : together(lacking);
  for (const item of next) askedAhead.keys.add(keyOf(item, dtype));
  return next;
}

function fetchLacking(): void {
  const dtype = exactness.peek();
  const lacking = lackingOf(wanted.peek(), dtype);
  if (running !== null) {
    const covered = lacking.every((item) => running?.keys.has(keyOf(item, dtype)));
    if (covered || lacking.length === 0) return;
    if (!running.ahead && running.subject === subjectOf(lacking[0])) return;
    running.controller.abort();
  }
  if (lacking.length > 0) {
    void request(together(lacking), dtype, false);
    return;
  }
  const next = lackingAhead(dtype);
  if (next.length > 0) void request(next, dtype, true);
}

/** Fetches whatever is wanted and not here, and then, with nothing else to do, the steps beside it. */
export function watchArrays(besides: () => Wanted[]): () => void {
  neighbours = besides;
  let attempt = attempts.peek();
  let poll = polls.peek();
  return effect(() => {
    const answers = polls.value > poll;
    if (attempts.value !== attempt || (wasSilent && answers)) refused.clear();
    attempt = attempts.value;
    poll = polls.value;
    const dtype = exactness.value;
    // What went wrong with what no one wants any more concerns no one.
    if (isEverythingFetched(wanted.value, dtype)) resolveProblem("arrays");
    if (wanted.value.length > 0) fetchLacking();
  });
}
