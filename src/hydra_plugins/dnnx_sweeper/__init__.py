"""The places where dnnx plugs into Hydra: the sweeper that runs a study, and experiments found without their folder."""
