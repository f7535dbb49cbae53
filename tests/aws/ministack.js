"use strict";

// A plugin of osls that changes three things of the compiled template:
// - MiniStack's CloudFormation doesn't know AWS::ApiGatewayV2::Deployment, so the stage of the
//   WebSocket API deploys itself.
// - It knows no alarms on several metrics, so those watch their first.
// - Webhooks may go to receivers on this machine.
module.exports = class MiniStack {
  constructor(serverless) {
    const adapt = () => {
      const { Resources } = serverless.service.provider.compiledCloudFormationTemplate;
      for (const [name, { Type, Properties }] of Object.entries(Resources)) {
        if (Type === "AWS::ApiGatewayV2::Deployment") delete Resources[name];
        if (Type === "AWS::ApiGatewayV2::Stage" && Properties.DeploymentId) {
          delete Properties.DeploymentId;
          Properties.AutoDeploy = true;
        }
        if (Type === "AWS::CloudWatch::Alarm" && Properties.Metrics) {
          const { Metric, Period, Stat } = Properties.Metrics[1].MetricStat;
          delete Properties.Metrics;
          Object.assign(Properties, Metric, { Period, Statistic: Stat });
        }
        if (Type === "AWS::Lambda::Function" && /^(api|notifier)\./.test(Properties.Handler)) {
          Properties.Environment.Variables.LABELLING_PRIVATE_CALLBACKS = "yes";
        }
      }
    };
    this.hooks = { "after:aws:package:finalize:mergeCustomProviderResources": adapt };
  }
};
