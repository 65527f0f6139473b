// Grafana's types for a dashboard as JSON, where an enum is its value, and with the types of each
// kind of panel, which Dashboard leaves open.
import type { AnnotationQuery, Dashboard, FieldConfig, Panel, RowPanel } from "./node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen";
import type * as heatmap from "./node_modules/@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen";
import type * as stat from "./node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as statetimeline from "./node_modules/@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen";
import type * as table from "./node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
import type * as timeseries from "./node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";

type Values<T> = T extends string ? `${T}`
    : T extends number | boolean | null | undefined ? T
    : T extends object ? { [K in keyof T]: Values<T[K]> }
    : T;

// A query of the data source Prometheus.
interface Target {
    refId: string;
    datasource: { type: "prometheus"; uid: string };
    editorMode: "code" | "builder";
    expr: string;
    legendFormat: string;
    format: "time_series" | "table" | "heatmap";
    instant: boolean;
    range: boolean;
}

type Of<Kind extends string, Options, Custom> =
    & Omit<Values<Panel>, "type" | "options" | "fieldConfig" | "targets" | "description" | "title" | "id" | "gridPos">
    & Required<Pick<Values<Panel>, "description" | "title" | "id" | "gridPos">>
    & {
        type: Kind;
        options: Values<Options>;
        targets: Target[];
        fieldConfig: {
            defaults: Omit<Values<FieldConfig>, "custom"> & { custom: Values<Custom> };
            overrides: NonNullable<Values<Panel>["fieldConfig"]>["overrides"];
        };
    };

type AnyPanel =
    | Of<"stat", stat.Options, object>
    | Of<"timeseries", timeseries.Options, timeseries.FieldConfig>
    | Of<"heatmap", heatmap.Options, heatmap.FieldConfig>
    | Of<"state-timeline", statetimeline.Options, statetimeline.FieldConfig>
    | Of<"table", table.Options, table.FieldConfig>;

// The fields that the data source Prometheus adds.
type Annotation = Values<AnnotationQuery> & {
    expr?: string;
    step?: string;
    titleFormat?: string;
    textFormat?: string;
    useValueForTime?: boolean;
};

export type Checked = Omit<Values<Dashboard>, "panels" | "annotations"> & {
    panels: (AnyPanel | (Omit<Values<RowPanel>, "panels"> & { panels: AnyPanel[] }))[];
    annotations: { list: Annotation[] };
};
