/** A metric that is counted elsewhere and read when it is asked for. It is what a registry of prom-client can render. */
export interface ReadMetric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  get(): Promise<ReadMetric & { readonly values: readonly MetricValue[]; readonly aggregator: 'sum' }>
}

export interface MetricValue {
  /** Where one metric has several names: `…_sum`, `…_count`. */
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

export const readMetric = (
  type: ReadMetric['type'],
  name: string,
  help: string,
  values: () => readonly MetricValue[],
): ReadMetric => {
  const metric: ReadMetric = {
    name,
    help,
    type,
    get: async () => ({ ...metric, values: values(), aggregator: 'sum' }),
  }
  return metric
}
