// A dashboard as Grafana's published packages type it: @grafana/schema for dashboards and panels,
// the foundation SDK for Prometheus' queries. Stricter than Grafana's own: an unknown key is an
// error at every level that they type.
import type { Dashboard, FieldConfig, Panel, RowPanel } from "@grafana/schema";
import type * as Series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as Heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as Stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Dataquery } from "@grafana/grafana-foundation-sdk/prometheus";

/** As JSON has it: the values of enums instead of their members. */
type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer E)[]
      ? Plain<E>[]
      : unknown extends T
        ? T
        : { [K in keyof T]: Plain<T[K]> };

type Query = Omit<Plain<Dataquery>, "_implementsDataqueryVariant" | "dataqueryName">;

type Kind<Name, Options, Custom> = Omit<Plain<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
  type: Name;
  targets: Query[];
  options: Plain<Options>;
  fieldConfig: {
    defaults: Omit<Plain<FieldConfig>, "custom" | "thresholds"> & {
      custom?: Plain<Custom>;
      // The first step has no value: JSON knows no infinity.
      thresholds?: { mode: "absolute" | "percentage"; steps: { value: number | null; color: string }[] };
    };
    overrides: [];
  };
};

type AnyPanel =
  | Kind<"timeseries", Series.Options, Series.FieldConfig>
  | Kind<"heatmap", Heatmap.Options, Heatmap.FieldConfig>
  | Kind<"stat", Stat.Options, never>
  | (Omit<Plain<RowPanel>, "panels"> & { panels: [] });

export type Checked = Omit<Plain<Dashboard>, "panels"> & { panels: AnyPanel[] };
