/** What each view is for, for whoever sees it for the first time. */

export interface Introduction {
  /** The question that it answers. */
  question: string;
  /** How it is read, in a sentence or two. */
  reading: string;
}

export const introductions = {
  overview: {
    question: "Is anything wrong, where, and since when?",
    reading:
      "Above, what was found, the worst first, and a row of health for every layer. Below, the gradient-flow map: how far back " +
      "in time the net has learned to look, as training went on. A click on a finding leads to its place, on a row to all " +
      "that is measured.",
  },
  heatmap: {
    question: "What happens in every channel at every timestep, and how far back do gradients reach?",
    reading:
      "Each drawing is one sample of one run; a cell is one channel at one timestep, and its colour is its value. Point at " +
      "a cell to read it, drag a rectangle to zoom in.",
  },
  curves: {
    question: "How does a single channel behave over time?",
    reading:
      "Each panel is one channel, each line in it one sample of one run, over the timesteps. Click on a panel\u2019s name to see " +
      "it large.",
  },
  scatter: {
    question: "Which channels carry a gradient that exists at one timestep only?",
    reading:
      "For layers that pass on their last output alone (return_sequences=False): a dot is one channel of one sample. Beside it, " +
      "how these values are distributed now, against an earlier step.",
  },
  histograms: {
    question: "How are the numbers distributed, gate by gate, and how does that change?",
    reading:
      "A row for each gate, a column for each matrix, runs over each other in their colours. A spike at zero or values far out " +
      "tell of gates that do not learn, or learn too fast. \u201cShow\u201d has all steps at once.",
  },
  weights: {
    question: "What have the matrices learned, and how fast do they still move?",
    reading:
      "Each matrix as it is, with lines between its gates; the colour is the value, and the bars above are how large each " +
      "column is. Drag a rectangle to zoom in. Below, over the steps, how large each gate is, or by what share of its norm " +
      "each matrix moves.",
  },
} as const satisfies Record<string, Introduction>;
